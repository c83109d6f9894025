-- Keeps an agent of others, and that its card answers; no row when another process has it by now. Locks the agent's bridge.
update dure.a2a_bridge
set holds_until = dure.now() + make_interval(secs => %(hold_s)s), checked_at = dure.now(), problem = %(problem)s::text::jsonb
where tenant_id = %(tenant_id)s and agent_id = %(agent_id)s and holder = %(holder)s::text::uuid
returning agent_id
