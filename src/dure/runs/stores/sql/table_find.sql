-- Finds the table that a name means and says what stands in the way of changing it and changing it back. Locks nothing.
select c.oid::bigint,
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       c.relispartition,
       n.nspname in ('pg_catalog', 'information_schema', 'pg_toast', 'dure') or n.nspname like 'pg\_temp\_%%' as is_ours,
       c.relkind = 'r' and exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid) as has_children,
       exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN') as has_rules,
       pg_catalog.row_security_active(c.oid) as is_filtered,
       pg_catalog.pg_has_role(c.relowner, 'usage') as may_alter,
       array(select p.name from unnest(array['select', 'insert', 'update', 'delete']) p(name)
             where not pg_catalog.has_table_privilege(c.oid, p.name)) as not_allowed,
       exists (select from pg_catalog.pg_trigger t
               where t.tgrelid in (select c.oid union all select p.relid from pg_catalog.pg_partition_tree(c.oid) p)
                 and not t.tgisinternal and t.tgenabled in ('O', 'A')) as user_triggers,
       current_setting('track_counts')::boolean as is_counted,
       current_setting('search_path') as search_path
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(%(name)s)
