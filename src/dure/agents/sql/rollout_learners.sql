-- Agents that were the new version since a rollout began, whatever became of them. Locks nothing. Index: agent_class, agent_minute's primary key.
select a.agent_id from dure.rollout r join dure.agent a on a.tenant_id = r.tenant_id and a.class = r.class and a.version = r.to_version
where r.id = %(id)s::text::uuid
union
select m.agent_id from dure.rollout r
join dure.agent_minute m on m.tenant_id = r.tenant_id and m.class = r.class and m.version = r.to_version
    and m.minute >= date_trunc('minute', r.began_at)
where r.id = %(id)s::text::uuid
order by 1
limit %(limit)s
