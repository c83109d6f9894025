-- The current release of a class gives way to another. Locks its row. Index: release_current.
update dure.release set state = 'superseded', ended_at = dure.now()
where tenant_id = %(tenant_id)s and class = %(class)s and state = 'current' and id <> %(id)s::text::uuid
