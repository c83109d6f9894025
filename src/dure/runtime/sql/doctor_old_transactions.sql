-- Transactions that are open for more than five minutes: vacuum can remove nothing that they might still see.
select pid, coalesce(application_name, ''), extract(epoch from clock_timestamp() - xact_start)::double precision
from pg_stat_activity
where xact_start < clock_timestamp() - interval '5 minutes' and datname = current_database() and pid <> pg_backend_pid()
order by xact_start limit 5
