-- The turn that a message of this sender has become already. Locks nothing. Index: a2a_turn_message.
select task_id::text, digest from dure.a2a_turn
where tenant_id = %(tenant_id)s and actor = %(actor)s and message_id = %(message_id)s
