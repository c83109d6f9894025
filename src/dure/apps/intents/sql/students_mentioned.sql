-- The students whose names stand in a sentence, those who are here before those who have left. Locks nothing.
-- Reads the tenant's names. Index: student_name.
select s.name
from academy.student s
where s.tenant_id = %(tenant)s and position(s.name in %(sentence)s) > 0
group by s.name
order by bool_or(s.status <> 'left') desc, length(s.name) desc, s.name
limit %(limit)s
