-- The students of a class, with since when. Locks nothing. Index: enrolment_class.
select s.name as student, s.grade, s.status, e.from_on, count(*) over () as total
from academy.enrolment e join academy.student s on s.id = e.student_id
where e.tenant_id = %(tenant)s and e.class_id = %(class)s and e.status = 'active'
order by s.name, s.id
limit %(limit)s
