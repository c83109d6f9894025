-- Answers what else this transaction took hold of: views and foreign tables that it wrote through, sequences, and what it locked
-- more strongly than one does to write rows.
select format('%%I.%%I', n.nspname, c.relname) as name,
       case when l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') then 'locked'
            when c.relkind = 'v' then 'view' when c.relkind = 'f' then 'foreign' when c.relkind = 'S' then 'sequence' end as what
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  and l.mode not in ('AccessShareLock', 'RowShareLock')
  and (c.relkind in ('v', 'f', 'S') or l.mode <> 'RowExclusiveLock')
order by 1
