-- Deletes a channel that is not built in, if it stands at the revision that was seen, and its messages with it; its row stays
-- for its numbers. Locks the channel. Index: both primary keys.
with gone as (
    update dure.channel set deleted_at = dure.now(), revision = revision + 1, publish = '{}', subscribe = '{}'
    where tenant_id = %(tenant_id)s and name = %(name)s and deleted_at is null and not built_in
      and (%(revision)s::integer is null or revision = %(revision)s)
    returning tenant_id, name
), swept as (
    delete from dure.message m using gone where m.tenant_id = gone.tenant_id and m.channel = gone.name
)
select name from gone
