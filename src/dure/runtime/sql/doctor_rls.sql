-- Tables with a tenant in them that anybody with a right on them could read across tenants.
select c.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'dure' and c.relkind in ('r', 'p') and not c.relrowsecurity
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
order by c.relname
