-- Whether public.job_executions is Dure's view, somebody else's table, or not there.
select (select relkind::text from pg_class where oid = to_regclass('public.job_executions'))
