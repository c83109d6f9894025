-- Stores a turn; no row when the message has become one already, or when another message was the next turn of its task.
-- Locks the row's keys.
insert into dure.a2a_turn (job_id, tenant_id, task_id, turn, context_id, card_agent, actor, message_id, digest)
values (%(job_id)s::text::uuid, %(tenant_id)s, %(task_id)s::text::uuid, %(turn)s, %(context_id)s, %(card_agent)s, %(actor)s,
        %(message_id)s, %(digest)s)
on conflict do nothing
returning turn
