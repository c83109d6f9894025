-- Dure's views in public, known by their comment or their trigger, and in the schema cron that is its own; then the schema with all
-- that is in it.
do $$
declare
    face regclass;
begin
    for face in
        select c.oid from pg_catalog.pg_class c
        where c.relkind = 'v'
          and (c.relnamespace = to_regnamespace('public')
               and (obj_description(c.oid, 'pg_class') = 'Dure: a view for older programs.'
                    or exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
                               where t.tgrelid = c.oid and p.pronamespace = 'dure'::regnamespace))
               or obj_description(c.relnamespace, 'pg_namespace') = 'Dure: views for older programs.')
    loop
        execute format('drop view %s', face);
    end loop;
    drop schema dure cascade;
end $$
