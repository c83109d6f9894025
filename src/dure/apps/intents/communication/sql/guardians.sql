-- A page of the guardians of students who are here: of all, of a class, of some students; each guardian once. Keyset by
-- guardian; of one guardian when `guardian` says so. Locks nothing. Indexes: guardian's unique one,
-- student_guardian_guardian, enrolment_active.
select g.id as guardian_id, g.name as guardian, g.phone, g.email, g.language, g.wants_messages
from academy.guardian g
where g.tenant_id = %(tenant)s and g.id > %(after)s::uuid and (%(guardian)s::uuid is null or g.id = %(guardian)s)
  and exists (
    select from academy.student_guardian l
    join academy.student s on s.id = l.student_id and s.status <> 'left'
    where l.guardian_id = g.id and (%(students)s::uuid[] is null or s.id = any(%(students)s::uuid[]))
      and (%(class)s::uuid is null or exists (
        select from academy.enrolment e
        where e.student_id = s.id and e.class_id = %(class)s::uuid and e.status = 'active'
      ))
  )
order by g.id
limit %(limit)s
