-- The lessons that the open classes should have between two days and have not. Locks nothing.
-- Indexes: class_open_name, meeting's unique one.
select c.id as class_id, c.name as class_name, d.day::date as held_on
from academy.class c
cross join generate_series(greatest(%(first)s, c.opened_on)::timestamp, %(last)s::timestamp, interval '1 day') as d (day)
where c.tenant_id = %(tenant)s and c.closed_on is null and (%(class)s::uuid is null or c.id = %(class)s)
  and extract(isodow from d.day)::int = any(c.weekdays)
  and not exists (select from academy.meeting m where m.class_id = c.id and m.held_on = d.day::date)
order by c.id, d.day
