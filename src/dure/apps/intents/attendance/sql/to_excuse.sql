-- A student's absences between two days. Locks nothing. Index: attendance_student.
select a.meeting_id, m.held_on
from academy.attendance a
join academy.meeting m on m.id = a.meeting_id
where a.tenant_id = %(tenant)s and a.student_id = %(student)s and a.status = 'absent'
  and m.held_on between %(first)s and %(last)s
order by m.held_on, a.meeting_id
