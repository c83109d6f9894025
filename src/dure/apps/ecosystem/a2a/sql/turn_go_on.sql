-- Holds the last turn of a task, so that of two messages only one is the next, and none when it was given up meanwhile.
-- Locks the turn's row. Index: primary key.
select cancelled_at is null from dure.a2a_turn where tenant_id = %(tenant_id)s and job_id = %(job_id)s::text::uuid for update
