-- Writes a calendar, new or there. Locks its row.
insert into dure.calendar (tenant_id, name, entries, updated_by) values (%(tenant_id)s, %(name)s, %(entries)s::text::jsonb, %(actor)s)
on conflict (tenant_id, name) do update set entries = excluded.entries, updated_at = dure.now(), updated_by = excluded.updated_by
