-- A worker ends in order. What it still holds, if anything, goes back into line without counting as a crash.
with held as (
    select j.id, j.claim_id
    from dure.claim c cross join lateral unnest(c.job_ids) as i(id)
    join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
    where c.worker_id = %(worker)s
), settled as (
    select dure.settle(coalesce(jsonb_agg(jsonb_build_object('id', id, 'claim_id', claim_id, 'outcome', 'released')), '[]'),
        coalesce((select array_agg(claim_id) from dure.claim where worker_id = %(worker)s), '{}')) as ids
    from held
)
update dure.worker w
set ended_at = dure.now(), end_reason = 'stopped', listening = false, running = 0
from settled
where w.worker_id = %(worker)s and w.ended_at is null
returning cardinality(settled.ids)
