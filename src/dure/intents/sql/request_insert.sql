-- Notes what was asked for; no row when that key of it is there already. Locks: nothing but its own row.
insert into dure.intent_request (tenant_id, key, params, scope, actor, source, decision, unique_key, job_id, retry_of)
values (%(tenant)s, %(key)s, %(params)s::text::jsonb, %(scope)s, %(actor)s, %(source)s, %(decision)s, %(unique_key)s, %(job_id)s::uuid, %(retry_of)s::uuid)
on conflict (tenant_id, key, unique_key) where unique_key is not null do nothing
returning id::text
