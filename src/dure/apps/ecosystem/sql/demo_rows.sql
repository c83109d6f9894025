-- Every record about agents, one text each, in the order of the texts: agents and how they stand to each other, tasks and how far they
-- are, releases, rollouts, channels and messages. Leases, which change all the time, are left out. Locks nothing.
select line from (
    select 'agent ' || a::text as line from dure.agent a
    union all select 'link ' || l::text from dure.agent_link l
    union all select 'task ' || t::text || j.state || j.attempt || coalesce(j.result::text, '') from dure.task t join dure.job j on j.id = t.job_id
    union all select 'choice ' || c::text from dure.choice c
    union all select 'release ' || r::text from dure.release r
    union all select 'rollout ' || r::text from dure.rollout r
    union all select 'channel ' || c.tenant_id || ' ' || c.name || ' ' || c.messages from dure.channels c
    union all select 'message ' || m::text from dure.message m
) records order by line collate "C"
