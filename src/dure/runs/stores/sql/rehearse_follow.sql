-- Finds the rows that went along with others by one foreign key: they referred to one that is gone, or has another key.
insert into pg_temp.dure_rehearsed_edge (child, parent, is_early, reason)
select c.id, p.id, p.kind = 'delete',
       case when a.action is not null then jsonb_build_object('code', a.action, 'params', jsonb_build_object(
           'constraint', %(constraint)s::text, 'table', %(table)s::text, 'key', array_to_string(p.key, ', '))) end
from pg_temp.dure_rehearsed p
join pg_temp.dure_rehearsed c on {same}
cross join lateral (select case p.kind when 'delete' then %(on_delete)s::text else %(on_update)s::text end as does) f
cross join lateral (select case when c.kind <> 'delete' or f.does = 'cascade' then f.does end as action) a
where p.tbl = %(parent)s and c.tbl = %(child)s and p.id <> c.id and c.kind in ('delete', 'update')
  and (p.kind = 'delete' or (p.kind = 'update' and {parent_changed})) and (c.kind = 'delete' or {child_changed})
