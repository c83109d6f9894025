-- Gives up a task that waits for its client; no row when it goes on already, or was given up. Locks the turn's row.
update dure.a2a_turn a set cancelled_at = dure.now()
where a.tenant_id = %(tenant_id)s and a.job_id = %(job_id)s::text::uuid and a.cancelled_at is null
  and not exists (select from dure.a2a_turn n where n.task_id = a.task_id and n.turn > a.turn)
returning a.job_id::text
