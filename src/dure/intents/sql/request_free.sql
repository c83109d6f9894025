-- A request that has ended gives its key up: the same may be asked for anew. Locks: its row.
update dure.intent_request set unique_key = null where id = %(id)s::uuid
