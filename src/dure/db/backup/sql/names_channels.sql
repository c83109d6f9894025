-- A tenant's channels by name.
select name, 'ok' from dure.channel where tenant_id = %(tenant)s and deleted_at is null
