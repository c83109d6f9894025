-- A student with classes, guardians, and how they came since a day. Locks nothing.
-- Indexes: the keys, enrolment_student, attendance_student.
select s.id, s.name, s.grade, s.status, s.birth_date, s.phone, s.joined_on, s.left_on, s.note,
       array(
           select c.name from academy.enrolment e join academy.class c on c.id = e.class_id
           where e.student_id = s.id and e.status = 'active' order by c.name
       ) as classes,
       array(
           select concat_ws(' ', g.name, nullif(l.relation, ''))
           from academy.student_guardian l join academy.guardian g on g.id = l.guardian_id
           where l.student_id = s.id order by g.name, g.id
       ) as guardians,
       (
           select jsonb_object_agg(a.status, a.times)
           from (
               select a.status, count(*) as times
               from academy.attendance a join academy.meeting m on m.id = a.meeting_id
               where a.student_id = s.id and m.held_on between %(first)s and %(last)s group by a.status
           ) a
       ) as attendance
from academy.student s
where s.tenant_id = %(tenant)s and s.id = %(student)s
