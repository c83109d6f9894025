-- How a student came between two days, the latest first. Locks nothing. Index: attendance_student.
select m.held_on as date, c.name as class, a.status, a.minutes_late, a.note, count(*) over () as total
from academy.attendance a
join academy.meeting m on m.id = a.meeting_id
join academy.class c on c.id = m.class_id
where a.tenant_id = %(tenant)s and a.student_id = %(student)s and m.held_on between %(first)s and %(last)s
order by m.held_on desc, c.starts_at desc
limit %(limit)s
