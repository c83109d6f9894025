-- The lessons of a class between two days. Locks nothing. Index: meeting's unique one.
select m.held_on as date, m.cancelled, m.note, count(*) over () as total
from academy.meeting m
where m.tenant_id = %(tenant)s and m.class_id = %(class)s and m.held_on between %(first)s and %(last)s
order by m.held_on
limit %(limit)s
