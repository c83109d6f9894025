-- The lessons of a day that are not cancelled, each with how many students are marked there. Locks nothing.
-- Indexes: meeting_day, attendance's unique one.
select m.class_id, c.name as class, (select count(*) from academy.attendance a where a.meeting_id = m.id) as marked
from academy.meeting m join academy.class c on c.id = m.class_id
where m.tenant_id = %(tenant)s and m.held_on = %(day)s and not m.cancelled
  and (%(class)s::uuid is null or m.class_id = %(class)s)
order by c.name, m.id
