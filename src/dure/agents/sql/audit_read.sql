-- Entries of the log, newest first. Locks nothing. Planned anew each time, so that what is asked for chooses the index.
select l.seq, l.at, l.from_agent, l.to_agent, l.protocol, l.kind, l.task_id::text, l.trace_id, l.size_bytes, l.latency_ms, l.ok, l.error,
       encode(l.hash, 'hex')
from dure.agent_log l
where l.tenant_id = %(tenant_id)s and l.seq < %(before)s
  and (%(agent)s::text is null or l.from_agent = %(agent)s or l.to_agent = %(agent)s)
  and (%(task_id)s::uuid is null or l.task_id = %(task_id)s::uuid)
  and (%(trace_id)s::text is null or l.trace_id = %(trace_id)s)
  and (%(ok)s::boolean is null or l.ok = %(ok)s)
  -- Nothing is chained before it happened, so months before are not even opened.
  and (%(since)s::timestamptz is null or (l.at >= %(since)s and l.sealed_at >= %(since)s))
  and (%(until)s::timestamptz is null or l.at < %(until)s)
order by l.seq desc
limit %(limit)s
