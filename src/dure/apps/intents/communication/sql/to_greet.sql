-- A page of the guardians of students whose birthday it is, as `to_remind` gives them; who was born on a 29 February has it
-- on the 28th of most years. Locks nothing. Indexes: student_status, the key of student_guardian.
select s.id as student_id, s.name as student, g.id as guardian_id, g.name as guardian, g.phone, g.email, g.language,
       g.wants_messages, s.birth_date::text as seen
from academy.student s
left join academy.student_guardian l on l.student_id = s.id
left join academy.guardian g on g.id = l.guardian_id
where s.tenant_id = %(tenant)s and s.status = 'enrolled'
  and (s.birth_date
       + make_interval(years => (extract(year from %(day)s::date) - extract(year from s.birth_date))::int))::date
      = %(day)s::date
  and (%(student)s::uuid is null or s.id = %(student)s::uuid)
  and (s.id, coalesce(g.id, %(none)s::uuid)) > (%(after_student)s::uuid, %(after_guardian)s::uuid)
  and (%(guardian)s::uuid is null or g.id = %(guardian)s::uuid)
order by s.id, coalesce(g.id, %(none)s::uuid)
limit %(limit)s
