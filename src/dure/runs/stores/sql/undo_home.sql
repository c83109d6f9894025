-- Looks at the keys that records have to get back: is one of them taken, or is the record there already? Locks nothing.
update pg_temp.dure_undo u
set code = case when u.present is null and {image} collate "C" = u.wanted collate "C" then 'undo_restored' else 'undo_key_taken' end,
    params = case when u.present is null and {image} collate "C" = u.wanted collate "C" then '{{}}'
                  else jsonb_build_object('columns', %(key)s::jsonb) end,
    does = false
from {table} t
where u.store = %(store)s and u.to_key is not null and {match}
  and not exists (select from pg_temp.dure_undo m
                  where m.store = u.store and m.key = u.to_key and m.does and (m.kind = 'delete' or m.to_key is not null))
