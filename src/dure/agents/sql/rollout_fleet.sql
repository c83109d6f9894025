-- The agents of a rollout's class that have a session, and those whose turn has come, in an order that is the rollout's own and stays.
-- Locks nothing. Index: agent_class, rollout_agent's primary key.
select f.agent_id, f.version, f.state, f.age_s, f.chosen, f.was_healthy, f.busy
from (
    select a.agent_id, a.version, dure.agent_state(a) as state, extract(epoch from dure.now() - a.registered_at)::double precision as age_s,
           c.agent_id is not null as chosen, c.healthy_at is not null as was_healthy,
           exists (select from dure.claim k where k.worker_id = a.epoch and cardinality(k.job_ids) > 0) as busy, r.id
    from dure.rollout r
    join dure.agent a on a.tenant_id = r.tenant_id and a.class = r.class
    left join dure.rollout_agent c on c.rollout_id = r.id and c.agent_id = a.agent_id
    where r.id = %(id)s::text::uuid and (a.epoch is not null or c.agent_id is not null)
) f
order by md5(f.id::text || f.agent_id)
