-- Notes that the turn of some agents has come; the second time changes nothing.
insert into dure.rollout_agent (rollout_id, agent_id, tenant_id, step)
select r.id, c.agent_id, r.tenant_id, %(step)s from dure.rollout r cross join unnest(%(agents)s::text[]) c(agent_id)
where r.id = %(id)s::text::uuid order by c.agent_id
on conflict do nothing
