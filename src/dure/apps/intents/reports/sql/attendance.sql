-- Every mark of some days, of one class or of all. Locks nothing. Indexes: meeting_day, attendance's unique one.
select m.held_on as date, c.name as class, c.teacher, s.name as student, s.grade, a.status, a.minutes_late, a.note
from academy.meeting m
join academy.class c on c.id = m.class_id
join academy.attendance a on a.meeting_id = m.id
join academy.student s on s.id = a.student_id
where m.tenant_id = %(tenant)s and m.held_on between %(first)s and %(last)s
  and (%(class)s::uuid is null or m.class_id = %(class)s)
order by m.held_on, c.starts_at, c.name, s.name, s.id
limit %(limit)s
