-- Fires of a backfill have made their jobs. Locks those rows.
update dure.backfill_fire f set state = 'made', job_id = i.job_id::uuid, tries = f.tries + 1
from unnest(%(fires)s::timestamptz[], %(jobs)s::text[]) as i(fire_at, job_id)
where f.backfill_id = %(id)s::text::uuid and f.fire_at = i.fire_at and f.state = 'pending'
