-- Runs that were applied since a moment and changed something of some agents, the latest first: a run names the agent as the subject of a change.
-- Ways back are none. Locks nothing. Index: run_tenant, change's primary key.
select r.id::text
from dure.run r
where r.tenant_id = %(tenant_id)s and r.started_at >= %(since)s::timestamptz and r.rollback_of is null
  and exists (select from dure.change c where c.run_id = r.id and c.kind <> 'keep' and c.subject = any (%(agents)s::text[]))
order by r.started_at desc, r.id desc
limit %(limit)s
