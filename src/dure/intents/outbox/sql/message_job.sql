-- Notes which job sends a message. Locks: its row.
update dure.outbox_message set job_id = %(job)s::uuid where id = %(id)s::uuid
