-- Stores messages on a channel; answers the number of the last. Locks the channel until the commit: see 0016_channels.
select dure.publish_batch(%(tenant_id)s, %(channel)s, %(messages)s::text::jsonb)
