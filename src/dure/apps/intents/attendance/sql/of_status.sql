-- Who came in one of some ways on a day. Locks nothing. Indexes: meeting_day, attendance's unique one.
select s.name as student, s.grade, c.name as class, a.status, a.minutes_late, a.note, count(*) over () as total
from academy.meeting m
join academy.class c on c.id = m.class_id
join academy.attendance a on a.meeting_id = m.id and a.status = any(%(statuses)s)
join academy.student s on s.id = a.student_id
where m.tenant_id = %(tenant)s and m.held_on = %(day)s and (%(class)s::uuid is null or m.class_id = %(class)s)
order by c.starts_at, c.name, s.name, s.id
limit %(limit)s
