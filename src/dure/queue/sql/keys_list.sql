-- Keys below a cursor, newest first; of one tenant, or all. Locks nothing. Index: api_key's primary key.
select key_id::text, tenant_id, name, scope, created_at, expires_at, last_used_at, revoked_at
from dure.api_key
where key_id < %(before)s::text::uuid and (%(tenant_id)s::text is null or tenant_id = %(tenant_id)s)
order by key_id desc limit %(limit)s
