-- Revokes a key; the first time stays noted. Locks the key's row. Index: api_key's primary key.
update dure.api_key set revoked_at = coalesce(revoked_at, dure.now())
where key_id = %(id)s::text::uuid and (%(tenant_id)s::text is null or tenant_id = %(tenant_id)s)
returning key_id::text, tenant_id, name, scope, created_at, expires_at, last_used_at, revoked_at
