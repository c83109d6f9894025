-- Tasks that a session has been given and does not know of: the answer was lost on its way. Locks nothing. Index: claim_worker.
select given.* from (
    select array_agg(j.id) as ids
    from dure.agent a join dure.claim c on c.worker_id = a.epoch
    cross join lateral unnest(c.job_ids) as i(id)
    join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
    where a.tenant_id = %(tenant)s and a.agent_id = %(agent)s and a.epoch = %(epoch)s and c.claim_id <> all (%(holding)s::bigint[])
) lost cross join lateral dure.assignments(lost.ids) given where lost.ids is not null limit %(most)s
