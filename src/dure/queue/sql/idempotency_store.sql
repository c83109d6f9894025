-- Keeps an answer under its key, in the transaction that did the work; an answer that ran out is replaced.
-- Locks the row of the key. Index: idempotency's primary key.
insert into dure.idempotency (tenant_id, key, route, digest, status, body)
values (%(tenant_id)s, %(key)s, %(route)s, %(digest)s, %(status)s, %(body)s::text::jsonb)
on conflict (tenant_id, key) do update
set route = excluded.route, digest = excluded.digest, status = excluded.status, body = excluded.body, created_at = dure.now()
