-- Finds records to take away to which others refer by now that do not go as well. Locks nothing.
update pg_temp.dure_undo u
set code = 'undo_blocked', params = jsonb_build_object('constraint', %(constraint)s::text, 'table', %(table)s::text), does = false
where u.store = %(store)s and u.does and u.present is not null and {filled} and (u.kind = 'delete' or {changed})
  and exists (select from {child} t
              where {match}
                and not exists (select from pg_temp.dure_undo m
                                where m.store = %(other)s and m.does and m.key = {key} and (m.kind = 'delete' or {leaves})))
