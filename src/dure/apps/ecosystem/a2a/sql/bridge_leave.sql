-- Lets an agent of others go, with the reason why it cannot be reached, if it cannot. Locks the agent's bridge.
update dure.a2a_bridge
set holder = null, holds_until = null, checked_at = dure.now(), problem = %(problem)s::text::jsonb
where tenant_id = %(tenant_id)s and agent_id = %(agent_id)s and holder = %(holder)s::text::uuid
