-- Messages of some days, in some states, the latest first, each with what asked for it. Locks nothing. Indexes:
-- outbox_tenant, the key of the requests.
select m.id, m.state, m.channel, m.recipient as "to", m.subject, m.body, m.error, r.key as asked_by, m.created_at,
       m.sent_at, count(*) over () as total
from dure.outbox_message m left join dure.intent_request r on r.id = m.request_id
where m.tenant_id = %(tenant)s and m.created_at >= %(first)s::date::timestamp at time zone %(zone)s
  and m.created_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
  and m.state = any(%(states)s)
order by m.id desc
limit %(limit)s
