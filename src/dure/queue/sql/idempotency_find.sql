-- What was answered under this key within the last 24 hours. Locks nothing. Index: idempotency's primary key.
select route, digest, status, body from dure.idempotency
where tenant_id = %(tenant_id)s and key = %(key)s and created_at > dure.now() - interval '24 hours'
