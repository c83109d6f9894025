-- Whether any migration was ever applied here. Not to_regclass(): it answers from this session's cache, which after a
-- wait for the advisory lock may not know yet what another session has just made.
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
  WHERE nspname = 'dure' AND relname = 'migration'
)
