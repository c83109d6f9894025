-- Calendars of a tenant, by name. Locks nothing. Index: calendar's primary key.
select c.name, c.entries, c.updated_at, c.updated_by from dure.calendar c
where c.tenant_id = %(tenant_id)s and (%(name)s::text is null or c.name = %(name)s)
order by c.name
limit %(limit)s
