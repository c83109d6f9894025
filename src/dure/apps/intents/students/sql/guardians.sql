-- The guardians of a student, and how to reach them. Locks nothing. Index: the key of student_guardian.
select g.name, l.relation, g.phone, g.email, g.language, g.wants_messages, count(*) over () as total
from academy.student_guardian l join academy.guardian g on g.id = l.guardian_id
where l.tenant_id = %(tenant)s and l.student_id = %(student)s
order by g.name, g.id
limit %(limit)s
