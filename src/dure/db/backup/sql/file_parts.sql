-- The parts of partitioned tables as they were, in place of those that the migrations have just made.
do $dure_parts$
declare
    part regclass;
begin
    for part in
        select c.oid from pg_catalog.pg_class c
        join pg_catalog.pg_inherits i on i.inhrelid = c.oid join pg_catalog.pg_class p on p.oid = i.inhparent
        where c.relnamespace = 'dure'::regnamespace and c.relkind in ('r', 'p') and c.relispartition and not p.relispartition
    loop
        execute format('drop table %s', part);
    end loop;
end
$dure_parts$
