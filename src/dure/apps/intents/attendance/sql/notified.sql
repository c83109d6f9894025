-- What a message about a student's day says, to one guardian, as it is now; no row when either is gone, or when there is
-- nothing to say any more. Locks nothing. Indexes: attendance_student, the key of student_guardian.
select s.name as student, g.name as guardian, g.phone, g.email, g.language, g.wants_messages,
       string_agg(c.name, ', ' order by c.starts_at, c.id) as classes, max(a.minutes_late) as minutes_late,
       string_agg(concat_ws(' ', c.name, a.minutes_late), ', ' order by c.starts_at, c.id) as seen
from academy.student s
join academy.student_guardian l on l.student_id = s.id and l.guardian_id = %(guardian)s
join academy.guardian g on g.id = l.guardian_id
join academy.attendance a on a.student_id = s.id and a.status = %(status)s
join academy.meeting m on m.id = a.meeting_id and m.held_on = %(day)s
    and (%(class)s::uuid is null or m.class_id = %(class)s)
join academy.class c on c.id = m.class_id
where s.tenant_id = %(tenant)s and s.id = %(student)s
group by s.id, g.id
