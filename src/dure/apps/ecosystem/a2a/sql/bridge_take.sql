-- Takes an agent of others for one process; no row when another has it. Locks the agent's bridge.
insert into dure.a2a_bridge as b (tenant_id, agent_id, holder, holds_until)
values (%(tenant_id)s, %(agent_id)s, %(holder)s::text::uuid, dure.now() + make_interval(secs => %(hold_s)s))
on conflict (tenant_id, agent_id) do update set holder = excluded.holder, holds_until = excluded.holds_until, checked_at = dure.now()
where b.holds_until is null or b.holds_until < dure.now()
returning b.agent_id
