-- Begins to send: compare and set, committed before the call. Locks: its row. Index: primary key.
update dure.outbox_message m set state = 'sending', sending_at = dure.now(), tries = m.tries + 1
from (select id, state from dure.outbox_message where id = %(id)s::uuid and tenant_id = %(tenant)s for update) was
where m.id = was.id and was.state in ('planned', 'sending')
returning m.id::text, m.channel, m.recipient, m.subject, m.body, was.state
