-- The students who are here, with their classes and how their guardians are reached. Locks nothing.
-- Indexes: student_status, enrolment_student, the key of student_guardian.
select s.name as student, s.grade, s.status, s.joined_on, s.phone, e.classes, g.guardians
from academy.student s
cross join lateral (
    select string_agg(c.name, ', ' order by c.name) as classes
    from academy.enrolment x join academy.class c on c.id = x.class_id
    where x.student_id = s.id and x.status = 'active'
) e
cross join lateral (
    select string_agg(concat_ws(' ', g.name, g.phone, g.email), ', ' order by g.name) as guardians
    from academy.student_guardian l join academy.guardian g on g.id = l.guardian_id
    where l.student_id = s.id
) g
where s.tenant_id = %(tenant)s and s.status <> 'left'
order by s.name, s.id
limit %(limit)s
