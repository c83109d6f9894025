-- Finds records to put back that refer to one which is not there and does not come back either. Locks nothing.
update pg_temp.dure_undo u
set code = 'undo_blocked', params = jsonb_build_object('constraint', %(constraint)s::text, 'table', %(table)s::text), does = false
where u.store = %(store)s and u.does and u.wanted is not null and {filled}
  and (u.kind <> 'update' or u.present is null or {changed})
  and not exists (select from {parent} t where {match})
  and not exists (select from pg_temp.dure_undo m where m.store = %(other)s and m.does and m.wanted is not null and {same})
