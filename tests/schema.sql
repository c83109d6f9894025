-- Everything that a schema consists of, a line each. No line may depend on ids, or on the order of grants.
with space as (
  select oid, nspname, nspacl, nspowner from pg_namespace
  where nspname !~ '^pg_' and nspname <> 'information_schema'
), grants as (
  -- An access list keeps the order in which it grew, which does not matter.
  select kind, id, string_agg(format('%s:%s%s', coalesce(grantee.rolname, 'PUBLIC'), privilege_type,
                                     case when is_grantable then '*' end), ',' order by grantee.rolname, privilege_type)
           filter (where entry.grantee <> owner) as acl
  from (select 'space' as kind, oid as id, nspowner as owner, nspacl as acl from space
        union all select 'class', oid, relowner, relacl from pg_class
        union all select 'proc', oid, proowner, coalesce(proacl, acldefault('f', proowner)) from pg_proc) object,
       aclexplode(acl) entry left join pg_roles grantee on grantee.oid = entry.grantee
  group by kind, id
)
select format('schema %s [%s]', nspname, acl) from space left join grants on kind = 'space' and id = space.oid
union all
select format('relation %s.%s kind=%s rls=%s/%s options=%s persistence=%s partition=%s/%s [%s] -- %s', nspname, relname,
              relkind, relrowsecurity, relforcerowsecurity, reloptions, relpersistence, pg_get_partkeydef(pg_class.oid),
              pg_get_expr(relpartbound, pg_class.oid), acl, obj_description(pg_class.oid, 'pg_class'))
from pg_class join space on space.oid = relnamespace left join grants on kind = 'class' and id = pg_class.oid
union all
select format('column %s.%s %s. %s %s null=%s default=%s identity=%s generated=%s collation=%s storage=%s statistics=%s -- %s',
              nspname, relname, attnum, attname, format_type(atttypid, atttypmod), not attnotnull,
              pg_get_expr(adbin, adrelid), attidentity, attgenerated, attcollation::regcollation, attstorage,
              nullif(attstattarget, -1), col_description(attrelid, attnum))
from pg_attribute join pg_class on pg_class.oid = attrelid join space on space.oid = relnamespace
     left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attnum > 0 and not attisdropped
union all
select format('constraint %s.%s on %s: %s valid=%s', nspname, conname, conrelid::regclass,
              pg_get_constraintdef(pg_constraint.oid), convalidated)
from pg_constraint join space on space.oid = connamespace
union all
select format('index %s valid=%s', pg_get_indexdef(indexrelid), indisvalid)
from pg_index join pg_class on pg_class.oid = indexrelid join space on space.oid = relnamespace
union all
select format('routine %s [%s] -- %s', pg_get_functiondef(pg_proc.oid), acl, obj_description(pg_proc.oid, 'pg_proc'))
from pg_proc join space on space.oid = pronamespace left join grants on kind = 'proc' and id = pg_proc.oid
where prokind in ('f', 'p')
union all
select format('policy %s on %s %s permissive=%s to %s using %s check %s', polname, polrelid::regclass, polcmd,
              polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
from pg_policy
union all
select format('trigger %s enabled=%s', pg_get_triggerdef(pg_trigger.oid), tgenabled)
from pg_trigger join pg_class on pg_class.oid = tgrelid join space on space.oid = relnamespace where not tgisinternal
union all
select format('view %s: %s', pg_class.oid::regclass, pg_get_viewdef(pg_class.oid))
from pg_class join space on space.oid = relnamespace where relkind in ('v', 'm')
union all
select format('type %s.%s %s %s base=%s labels=%s', nspname, typname, typtype, typcategory, typbasetype::regtype,
              (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid))
from pg_type join space on space.oid = typnamespace
union all
select format('extension %s', extname) from pg_extension
union all
select format('migration %s %s %s %s', number, name, phase, checksum) from dure.migration
order by 1
