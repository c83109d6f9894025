-- How far channels are, and at which revision, for who passes their messages on. Locks nothing. Index: channel's primary key.
select c.tenant_id, c.name, c.last_no, c.revision
from unnest(%(tenants)s::text[], %(channels)s::text[]) wanted(tenant_id, name)
join dure.channel c on c.tenant_id = wanted.tenant_id and c.name = wanted.name
where c.deleted_at is null
