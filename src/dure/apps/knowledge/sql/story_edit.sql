-- What another program does to a memory while a plan waits. Locks its row.
update {table} set payload = payload || jsonb_build_object('data', %(text)s::text) where id = %(id)s::uuid
