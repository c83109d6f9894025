-- Messages, newest first. Locks nothing. Index: primary key, outbox_tenant, outbox_request, outbox_state.
select id::text, tenant_id, request_id::text, target, channel, recipient, subject, body, state, job_id::text, tries, error, created_at, sending_at, sent_at, decided_by
from dure.outbox_message
where (%(tenant)s::text is null or tenant_id = %(tenant)s) and id < %(before)s::uuid
  and (%(id)s::uuid is null or id = %(id)s::uuid)
  and (%(request)s::uuid is null or request_id = %(request)s::uuid)
  and (%(state)s::text is null or state = %(state)s)
order by id desc limit %(limit)s
