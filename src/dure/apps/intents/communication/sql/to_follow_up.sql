-- A page of the guardians of students who were absent each of the last times, as `to_remind` gives them. Locks nothing.
-- Indexes: meeting_day, attendance's unique one, the key of student_guardian.
with marks as (
    select a.student_id, a.status, m.held_on,
           row_number() over (partition by a.student_id order by m.held_on desc, c.starts_at desc) as nth
    from academy.meeting m
    join academy.class c on c.id = m.class_id
    join academy.attendance a on a.meeting_id = m.id
    where m.tenant_id = %(tenant)s and m.held_on between %(first)s::date and %(last)s::date
      and (%(student)s::uuid is null or a.student_id = %(student)s::uuid)
), streaks as (
    select student_id, coalesce(min(nth) filter (where status <> 'absent'), count(*) + 1) - 1 as absences,
           max(held_on) as last_absent_on
    from marks group by student_id
)
select s.id as student_id, s.name as student, g.id as guardian_id, g.name as guardian, g.phone, g.email, g.language,
       g.wants_messages, k.absences, k.last_absent_on::text as seen
from streaks k
join academy.student s on s.id = k.student_id and s.status = 'enrolled'
left join academy.student_guardian l on l.student_id = s.id
left join academy.guardian g on g.id = l.guardian_id
where k.absences >= %(least)s and (s.id, coalesce(g.id, %(none)s::uuid)) > (%(after_student)s::uuid, %(after_guardian)s::uuid)
  and (%(guardian)s::uuid is null or g.id = %(guardian)s::uuid)
order by s.id, coalesce(g.id, %(none)s::uuid)
limit %(limit)s
