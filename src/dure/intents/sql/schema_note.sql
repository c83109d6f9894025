-- What an intent takes, known from its first import on: what is asked for by plain SQL is checked by it, too. Locks: the handler's row.
update dure.handler set params_schema = %(schema)s::text::jsonb where handler = %(key)s and params_schema is distinct from %(schema)s::text::jsonb
