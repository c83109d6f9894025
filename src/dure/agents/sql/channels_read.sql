-- Channels with their figures, by name: one, or a page of them. Locks nothing. Index: channel's primary key.
select c.name, c.type, c.description, c.publish, c.subscribe, c.keep_days, c.built_in, c.messages, c.bytes, c.subscribers,
       c.last_message_at, c.revision, c.created_by, c.created_at, c.updated_at
from dure.channels c
where c.tenant_id = %(tenant_id)s and (%(name)s::text is null or c.name = %(name)s) and c.name > %(after)s
order by c.name
limit %(limit)s
