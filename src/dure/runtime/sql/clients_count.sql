-- Counts who else is connected to this server: people and programs, in whatever database.
select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
