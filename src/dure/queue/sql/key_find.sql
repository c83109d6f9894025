-- The key of a digest if it holds now, and whether its last use should be noted again. Locks nothing. Index: unique (digest).
select key_id::text, tenant_id, name, scope,
       coalesce(last_used_at < dure.now() - interval '1 minute', true) as stale
from dure.api_key
where digest = %(digest)s and revoked_at is null and (expires_at is null or expires_at > dure.now())
