-- The ground that every later migration stands on: schema, roles, clock, ids, errors, and row-level security by one call.
--
-- dure_app     what tenants' requests run as: sees the rows of dure.tenant_id() and owns nothing.
-- dure_system  what the engine runs as: sees every tenant's rows and owns nothing.
--
-- Every migration can be run again from its start, and gives PUBLIC nothing: the runner calls dure.seal() after each.
-- PostgreSQL 14 and newer; a newer one's features only behind a check of server_version_num.

DO $$
BEGIN
  IF current_setting('server_version_num')::int < 140000 THEN
    RAISE EXCEPTION 'Dure needs PostgreSQL 14 or newer; this is %', current_setting('server_version');
  END IF;
END
$$;

-- Roles belong to the whole cluster, so another database's migration may make them at this very moment: an advisory lock
-- would not help, it belongs to one database. Hence the attempts.
DO $$
DECLARE
  role_name text;
  membership text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'set' ELSE 'member' END;
  options text := CASE WHEN current_setting('server_version_num')::int >= 160000
                       THEN ' with set true, inherit false' ELSE '' END;
  missing text := '';
  attempt int;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['dure_app', 'dure_system'] LOOP
    FOR attempt IN 1..20 LOOP
      BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
          EXECUTE format('create role %I nologin', role_name);
        END IF;
        IF NOT pg_catalog.pg_has_role(current_user, role_name, membership) THEN
          EXECUTE format('grant %I to %I%s', role_name, current_user, options);
        END IF;
        EXIT;
      EXCEPTION
        WHEN insufficient_privilege THEN
          IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            missing := missing || format(E'create role %I nologin;\n', role_name);
          END IF;
          missing := missing || format(E'grant %I to %I%s;\n', role_name, current_user, options);
          EXIT;
        -- "tuple concurrently updated" is an internal error.
        WHEN duplicate_object OR unique_violation OR undefined_object OR internal_error THEN
          IF attempt = 20 THEN
            RAISE;
          END IF;
          PERFORM pg_catalog.pg_sleep(0.02 * random());
      END;
    END LOOP;
  END LOOP;
  IF pg_catalog.to_regnamespace('dure') IS NULL
     AND NOT pg_catalog.has_database_privilege(current_database(), 'create') THEN
    missing := missing || format(E'grant create on database %I to %I;\n', current_database(), current_user);
  END IF;
  IF missing <> '' THEN
    missing := rtrim(missing, E'\n');
    RAISE EXCEPTION USING
      errcode = 'DU001',
      message = format(E'The role %I may not do all that Dure needs. An administrator must run:\n%s', current_user, missing),
      detail = json_build_object('code', 'refused', 'params', json_build_object(
        'reason', 'migration_roles', 'role', current_user, 'statements', missing));
  END IF;
END
$$;

DO $$
BEGIN
  -- Not "if not exists": that asks for the right to create, even where the schema is there.
  IF to_regnamespace('dure') IS NULL THEN
    CREATE SCHEMA dure;
  END IF;
END
$$;

GRANT USAGE ON SCHEMA dure TO dure_app, dure_system;

CREATE TABLE IF NOT EXISTS dure.migration (
  number     int NOT NULL CHECK (number > 0),
  name       text NOT NULL,
  phase      text NOT NULL CHECK (phase IN ('pre', 'post')),
  checksum   text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (number, phase)
);
COMMENT ON TABLE dure.migration IS 'Which migrations this database has, and the sha256 of each file as it was applied.';
GRANT SELECT ON dure.migration TO dure_app, dure_system;

CREATE OR REPLACE FUNCTION dure.seal() RETURNS void
LANGUAGE plpgsql AS $$
-- Functions are born executable by PUBLIC, and no default privilege of one schema can change that.
BEGIN
  REVOKE ALL ON SCHEMA dure FROM PUBLIC;
  REVOKE ALL ON ALL TABLES IN SCHEMA dure FROM PUBLIC;
  REVOKE ALL ON ALL SEQUENCES IN SCHEMA dure FROM PUBLIC;
  REVOKE ALL ON ALL ROUTINES IN SCHEMA dure FROM PUBLIC;
END
$$;

-- Time. Everything that decides asks dure.now(); a test's owner can hold it still.

CREATE TABLE IF NOT EXISTS dure.clock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  fake_now timestamptz
);
COMMENT ON TABLE dure.clock IS 'One row; fake_now is null but in tests. Only the owner may write it.';
INSERT INTO dure.clock DEFAULT VALUES ON CONFLICT DO NOTHING;
GRANT SELECT ON dure.clock TO dure_app, dure_system;

CREATE OR REPLACE FUNCTION dure.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce((SELECT clock.fake_now FROM dure.clock), clock_timestamp());
COMMENT ON FUNCTION dure.now() IS 'The time by which Dure decides. In a filter write (select dure.now()): once, not once a row.';
GRANT EXECUTE ON FUNCTION dure.now() TO dure_app, dure_system;

-- Tenants.

CREATE OR REPLACE FUNCTION dure.tenant_id() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('dure.tenant_id', true), '');
COMMENT ON FUNCTION dure.tenant_id() IS 'The tenant of this transaction, null when none was set. Inlined, so an index serves it.';
GRANT EXECUTE ON FUNCTION dure.tenant_id() TO dure_app, dure_system;

CREATE OR REPLACE PROCEDURE dure.protect(target regclass)
LANGUAGE plpgsql AS $$
-- Row-level security for one table with a tenant_id: no tenant, no rows; the engine sees all.
BEGIN
  -- Asked first, because ALTER TABLE and CREATE POLICY lock out every reader even when there is nothing to do.
  IF NOT (SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = target) THEN
    EXECUTE format('alter table %s enable row level security', target);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = target AND polname = 'tenant') THEN
    EXECUTE format('create policy tenant on %s to dure_app'
      ' using (tenant_id = dure.tenant_id()) with check (tenant_id = dure.tenant_id())', target);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = target AND polname = 'system') THEN
    EXECUTE format('create policy system on %s to dure_system using (true) with check (true)', target);
  END IF;
END
$$;

-- Ids (UUID version 7): see dure.ids for the layout.

DO $$
BEGIN
  IF to_regprocedure('pg_catalog.uuidv7()') IS NOT NULL THEN
    CREATE OR REPLACE FUNCTION dure.uuid7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN pg_catalog.uuidv7();
  ELSE
    -- Its own random id, with the first six bytes replaced by milliseconds and the next two by version and microseconds.
    CREATE OR REPLACE FUNCTION dure.uuid7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
      SELECT encode(
        overlay(
          overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(t.us / 1000) FROM 3) FROM 1 FOR 6)
          PLACING int2send((28672 + (t.us % 1000) * 4096 / 1000)::int2) FROM 7 FOR 2),
        'hex')::uuid
      FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::int8 AS us) t
    $body$;
  END IF;
END
$$;
COMMENT ON FUNCTION dure.uuid7() IS 'A new id that sorts by the time it was made.';
GRANT EXECUTE ON FUNCTION dure.uuid7() TO dure_app, dure_system;

CREATE OR REPLACE FUNCTION dure.uuid7_at(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN encode(
  overlay(
    '\x00000000000070008000000000000000'::bytea
    PLACING substring(int8send(least(greatest(floor(extract(epoch FROM at) * 1000), 0), 281474976710655)::int8) FROM 3)
    FROM 1 FOR 6),
  'hex')::uuid;
COMMENT ON FUNCTION dure.uuid7_at(timestamptz) IS 'The smallest id of that millisecond: id < dure.uuid7_at(t) is what was made before t.';
GRANT EXECUTE ON FUNCTION dure.uuid7_at(timestamptz) TO dure_app, dure_system;

-- Errors.

CREATE OR REPLACE FUNCTION dure.raise_error(code text, field text, message text, params jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
-- The client's library turns the detail back into its own error, by its code; people read the message.
BEGIN
  RAISE EXCEPTION USING
    errcode = 'DU001',
    message = coalesce(raise_error.message, raise_error.code, 'invalid'),
    detail = json_build_object(
      'code', raise_error.code, 'field', raise_error.field, 'params', coalesce(raise_error.params, '{}'));
END
$$;
COMMENT ON FUNCTION dure.raise_error(text, text, text, jsonb) IS 'Refuse with a stable code and the field at fault.';
GRANT EXECUTE ON FUNCTION dure.raise_error(text, text, text, jsonb) TO dure_app, dure_system;

-- What holds for all tenants, kept where every worker sees it.

CREATE TABLE IF NOT EXISTS dure.setting (
  name  text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
  value jsonb NOT NULL
);
COMMENT ON TABLE dure.setting IS 'Settings of the installation; tenants do not see them.';
GRANT SELECT, INSERT, UPDATE, DELETE ON dure.setting TO dure_system;
