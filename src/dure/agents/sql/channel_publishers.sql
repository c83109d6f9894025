-- Who may publish on a channel. Locks nothing. Index: channel's primary key.
select c.publish from dure.channel c where c.tenant_id = %(tenant_id)s and c.name = %(channel)s and c.deleted_at is null
