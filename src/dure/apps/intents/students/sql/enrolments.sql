-- The active enrolments of some students. Locks nothing. Index: enrolment_active.
select e.id, e.student_id, e.from_on
from academy.enrolment e
where e.tenant_id = %(tenant)s and e.student_id = any(%(students)s::uuid[]) and e.status = 'active'
order by e.student_id, e.id
