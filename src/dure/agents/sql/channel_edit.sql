-- Changes what is named of a channel, if it stands at the revision that was seen (null: at any). Locks the channel.
update dure.channel set
    type = coalesce(%(type)s, type), description = coalesce(%(description)s, description),
    publish = coalesce(%(publish)s::text[], publish), subscribe = coalesce(%(subscribe)s::text[], subscribe),
    keep_days = coalesce(%(keep_days)s, keep_days), revision = revision + 1, updated_at = dure.now()
where tenant_id = %(tenant_id)s and name = %(name)s and deleted_at is null
  and (%(revision)s::integer is null or revision = %(revision)s)
returning revision
