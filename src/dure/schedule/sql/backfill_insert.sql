-- A new backfill. Locks its row.
insert into dure.backfill (tenant_id, schedule_id, from_at, until_at, which, at_once, author)
values (%(tenant_id)s, %(schedule_id)s::text::uuid, %(from)s, %(until)s, %(which)s, %(at_once)s, %(author)s)
returning id::text
