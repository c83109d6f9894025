-- A student's consultations in some days. Locks nothing. Index: consultation_student.
select (k.held_at at time zone %(zone)s)::date as date, k.topic, g.name as guardian
from academy.consultation k left join academy.guardian g on g.id = k.guardian_id
where k.tenant_id = %(tenant)s and k.student_id = %(student)s
  and k.held_at >= %(first)s::date::timestamp at time zone %(zone)s
  and k.held_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
order by k.held_at
limit %(limit)s
