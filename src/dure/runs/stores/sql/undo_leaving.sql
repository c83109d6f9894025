-- What stands where a record has to come back is no obstacle when it leaves in this same rollback. Temporary tables only.
update pg_temp.dure_undo u set code = %(clean)s, params = %(told)s::jsonb, does = true, present = null, revision = null
where u.store = %(store)s and u.kind = 'create' and u.present is not null
  and exists (select from pg_temp.dure_undo m
              where m.store = u.store and m.key = u.key and m.seq <> u.seq and m.does and (m.kind = 'delete' or m.to_key is not null))
