-- The meetings of a day that some students belong to, with what is marked already; of one class, or of all that they are
-- in. Locks nothing. Indexes: meeting_day, enrolment_student, attendance's unique one.
select s.id as student_id, s.name as student, m.id as meeting_id, a.status
from unnest(%(students)s::uuid[]) as g (id)
join academy.student s on s.tenant_id = %(tenant)s and s.id = g.id
join academy.meeting m on m.tenant_id = %(tenant)s and m.held_on = %(day)s and not m.cancelled
    and (%(class)s::uuid is null or m.class_id = %(class)s)
left join academy.attendance a on a.meeting_id = m.id and a.student_id = s.id
where a.id is not null or exists (
    select from academy.enrolment e
    where e.student_id = s.id and e.class_id = m.class_id and e.from_on <= m.held_on
      and (e.until_on is null or e.until_on >= m.held_on)
)
order by s.id, m.id
