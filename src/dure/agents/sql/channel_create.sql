-- Makes a channel; one of its name that was deleted begins again, with its numbers going on. No row: there is one.
-- Locks the channel.
insert into dure.channel as c (tenant_id, name, type, description, publish, subscribe, keep_days, created_by)
values (%(tenant_id)s, %(name)s, %(type)s, %(description)s, %(publish)s, %(subscribe)s, %(keep_days)s, %(actor)s)
on conflict (tenant_id, name) do update set
    type = excluded.type, description = excluded.description, publish = excluded.publish, subscribe = excluded.subscribe,
    keep_days = excluded.keep_days, created_by = excluded.created_by, created_at = dure.now(), updated_at = dure.now(),
    revision = c.revision + 1, deleted_at = null
where c.deleted_at is not null
returning c.revision
