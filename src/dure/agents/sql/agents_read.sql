-- Agents in the order of their ids, with their leases and links; those that are gone only when asked for.
-- Locks nothing. Index: agent's primary key, or agent_trees where a tree is named.
select a.tenant_id, a.agent_id, a.kind, a.class, a.version, dure.agent_state(a), a.capabilities, a.location, a.endpoints, a.labels, a.protocol,
       a.capacity, a.on_death, a.lease_s, a.epoch, w.lease_until, w.load,
       (select count(*) from dure.claim c where c.worker_id = a.epoch), a.target_version, a.hold,
       l.child_id is not null, l.parent_id, l.protocol, l.settings, l.state, l.connected_at, l.disconnected_at, l.orphaned_at,
       a.trees, a.first_registered_at, a.registered_at, a.suspected_at, a.died_at, a.reaped_at, a.draining_at, a.retired_at, a.revision
from dure.agent a
left join dure.worker w on w.worker_id = a.epoch
left join dure.agent_link l on l.tenant_id = a.tenant_id and l.child_id = a.agent_id
where (%(tenant)s::text is null or a.tenant_id = %(tenant)s)
  and (a.tenant_id, a.agent_id) > (%(after_tenant)s, %(after)s)
  and (%(id)s::text is null or a.agent_id = %(id)s)
  and (%(class)s::text is null or a.class = %(class)s)
  and (%(kind)s::text is null or a.kind = %(kind)s)
  and (%(capability)s::text is null or a.capabilities @> array[%(capability)s::text])
  and (%(tree)s::text is null or a.trees @> array[%(tree)s::text])
  and (%(gone)s or (a.retired_at is null and a.reaped_at is null))
  and (%(state)s::text is null or dure.agent_state(a) = %(state)s)
order by a.tenant_id, a.agent_id limit %(limit)s
