-- What would go with the schema dure and is not Dure's: views, foreign keys, triggers, defaults, policies and functions of
-- others that use something in it. Extensions' and Dure's own views, in public and in the schema cron that is its own, are none.
with inside as (
    select 'pg_class'::regclass as classid, oid from pg_catalog.pg_class where relnamespace = 'dure'::regnamespace
    union all select 'pg_proc'::regclass, oid from pg_catalog.pg_proc where pronamespace = 'dure'::regnamespace
    union all select 'pg_type'::regclass, oid from pg_catalog.pg_type where typnamespace = 'dure'::regnamespace
    union all select 'pg_namespace'::regclass, 'dure'::regnamespace
), used as (
    select distinct d.classid, d.objid,
           coalesce((select r.ev_class from pg_catalog.pg_rewrite r where d.classid = 'pg_rewrite'::regclass and r.oid = d.objid),
                    (select t.tgrelid from pg_catalog.pg_trigger t where d.classid = 'pg_trigger'::regclass and t.oid = d.objid),
                    (select a.adrelid from pg_catalog.pg_attrdef a where d.classid = 'pg_attrdef'::regclass and a.oid = d.objid),
                    (select p.polrelid from pg_catalog.pg_policy p where d.classid = 'pg_policy'::regclass and p.oid = d.objid),
                    (select k.conrelid from pg_catalog.pg_constraint k where d.classid = 'pg_constraint'::regclass and k.oid = d.objid),
                    case when d.classid = 'pg_class'::regclass then d.objid end) as relation,
           (select f.pronamespace from pg_catalog.pg_proc f where d.classid = 'pg_proc'::regclass and f.oid = d.objid) as function_schema
    from pg_catalog.pg_depend d join inside i on i.classid = d.refclassid and i.oid = d.refobjid
    where d.deptype in ('n', 'a')
)
select distinct coalesce(u.relation::regclass::text, pg_catalog.pg_describe_object(u.classid, u.objid, 0)) as name
from used u left join pg_catalog.pg_class c on c.oid = u.relation
where coalesce(c.relnamespace, u.function_schema) is distinct from 'dure'::regnamespace::oid
  and coalesce(c.relnamespace, u.function_schema) is not null
  and not coalesce(c.relkind = 'v' and c.relnamespace = to_regnamespace('public')
           and (obj_description(c.oid, 'pg_class') = 'Dure: a view for older programs.'
                or exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
                           where t.tgrelid = c.oid and p.pronamespace = 'dure'::regnamespace)), false)
  and not coalesce(c.relkind = 'v' and obj_description(c.relnamespace, 'pg_namespace') = 'Dure: views for older programs.', false)
  and c.relkind is distinct from 't'
order by 1
