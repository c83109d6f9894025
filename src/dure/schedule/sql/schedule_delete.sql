-- Deletes a schedule: it fires no more, and stays for its history. Fires that wait for the job before them will not come.
-- Locks the schedule's row, then those fires.
with gone as (
    update dure.schedule set deleted_at = dure.now(), next_fire_at = null, updated_at = dure.now(), revision = revision + 1
    where id = %(id)s::text::uuid and deleted_at is null returning id)
update dure.fire f set outcome = 'skipped', reason = '{"code": "deleted"}'
from gone where f.schedule_id = gone.id and f.outcome = 'waiting'
