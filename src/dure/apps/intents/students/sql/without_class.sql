-- Who is here and in no class. Locks nothing. Indexes: student_status, enrolment_student.
select s.name, s.grade, s.joined_on, count(*) over () as total
from academy.student s
where s.tenant_id = %(tenant)s and s.status = 'enrolled'
  and not exists (select from academy.enrolment e where e.student_id = s.id and e.status = 'active')
order by s.name, s.id
limit %(limit)s
