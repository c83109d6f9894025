-- Stores a new key's digest; no row when it would have expired already. Locks nothing.
insert into dure.api_key (tenant_id, name, digest, scope, expires_at)
select case when %(tenant_id)s::text is null then null else dure.acting_tenant(%(tenant_id)s) end,
       %(name)s, %(digest)s, %(scope)s, %(expires_at)s
where %(expires_at)s::timestamptz is null or %(expires_at)s > dure.now()
returning key_id::text, tenant_id, name, scope, created_at, expires_at, last_used_at, revoked_at
