-- Agents of others that nobody speaks for now, with what they are registered as; and so long after the last try. Locks nothing.
-- Index: agent_a2a, read whole, every few seconds by each process.
select a.tenant_id, a.agent_id, a.kind, a.class, a.version, a.capabilities, a.location, a.endpoints, a.labels, a.capacity,
       a.on_death, a.lease_s, a.key_id::text, a.endpoints ->> 'a2a'
from dure.agent a left join dure.a2a_bridge b on b.tenant_id = a.tenant_id and b.agent_id = a.agent_id
where a.protocol = 'a2a' and a.retired_at is null and a.endpoints ? 'a2a'
  and (b.holds_until is null or b.holds_until < dure.now())
  and (b.problem is null or b.checked_at < dure.now() - make_interval(secs => %(again_s)s))
order by b.checked_at nulls first
limit %(limit)s
