-- Students by state and grade. Locks nothing. Index: student_status.
select s.name, s.grade, s.status, s.joined_on, s.left_on, count(*) over () as total
from academy.student s
where s.tenant_id = %(tenant)s and s.status = any(%(statuses)s) and (%(grade)s::int is null or s.grade = %(grade)s)
order by s.name, s.id
limit %(limit)s
