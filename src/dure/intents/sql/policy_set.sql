-- Writes a policy; no row when it has another revision than the one that was meant. Locks: its row.
insert into dure.intent_policy as p (tenant_id, key, allowed, ask, agents, approval, cap_per_day, risk_max, note, updated_by)
values (%(tenant)s, %(key)s, %(allowed)s, %(ask)s, %(agents)s, %(approval)s, %(cap_per_day)s, %(risk_max)s, %(note)s, %(actor)s)
on conflict (tenant_id, key) do update set allowed = excluded.allowed, ask = excluded.ask, agents = excluded.agents, approval = excluded.approval,
    cap_per_day = excluded.cap_per_day, risk_max = excluded.risk_max, note = excluded.note, updated_by = excluded.updated_by,
    updated_at = dure.now(), revision = p.revision + 1
where %(revision)s::integer is null or p.revision = %(revision)s
returning key, allowed, ask, agents, approval, cap_per_day, risk_max, note, revision, updated_by, updated_at
