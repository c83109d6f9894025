-- A new open window; no row when one of this key is open. Locks its row.
insert into dure.window (id, tenant_id, key, schedule_id, every_s, started_at, ends_at, author)
values (%(id)s::text::uuid, %(tenant_id)s, %(key)s, %(schedule_id)s::text::uuid, %(every_s)s, %(started_at)s, %(ends_at)s, %(author)s)
on conflict (tenant_id, key) where state = 'open' do nothing
returning id::text
