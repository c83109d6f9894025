-- A new release, the first of its class as the current one; no row when it is there. Locks its row.
insert into dure.release (tenant_id, class, version, release_type, compatible, low_key, high_key, notes, pin_knowledge, created_by, state, current_at)
values (%(tenant_id)s, %(class)s, %(version)s, %(release_type)s, %(compatible)s, %(low)s, %(high)s, %(notes)s, %(pin_knowledge)s, %(actor)s,
        case when %(first)s then 'current' else 'draft' end, case when %(first)s then dure.now() end)
on conflict do nothing
returning id::text
