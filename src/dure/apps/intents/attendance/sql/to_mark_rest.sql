-- Who of a day's classes is not marked yet, in a stable order. Locks nothing.
-- Indexes: meeting_day, enrolment_class, attendance's unique one.
select m.id as meeting_id, s.id as student_id, s.name as student
from academy.meeting m
join academy.enrolment e on e.class_id = m.class_id and e.from_on <= m.held_on
    and (e.until_on is null or e.until_on >= m.held_on)
join academy.student s on s.id = e.student_id and s.status = 'enrolled'
where m.tenant_id = %(tenant)s and m.held_on = %(day)s and not m.cancelled
  and (%(class)s::uuid is null or m.class_id = %(class)s)
  and not exists (select from academy.attendance a where a.meeting_id = m.id and a.student_id = s.id)
order by m.id, s.id
