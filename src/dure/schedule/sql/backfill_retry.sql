-- Lets the fires of a backfill whose jobs did not complete be tried again. Locks those rows.
update dure.backfill_fire set state = 'pending', job_id = null
where backfill_id = %(id)s::text::uuid and state in ('failed', 'cancelled')
returning 1
