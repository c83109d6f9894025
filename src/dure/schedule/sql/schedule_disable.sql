-- Takes a schedule out that cannot fire as it stands; it hurts no other. Locks its row.
update dure.schedule set disabled_at = dure.now(), disabled_reason = %(reason)s::text::jsonb, updated_at = dure.now()
where id = %(id)s::text::uuid and disabled_at is null
returning tenant_id, name
