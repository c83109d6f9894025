-- A page of the guardians of students who came late, or did not come, on a day: one row for each student and guardian,
-- and one without a guardian for a student who has none. Keyset by student and guardian. Locks nothing.
-- Indexes: meeting_day, attendance's unique one, the key of student_guardian.
select s.id as student_id, s.name as student, g.id as guardian_id, g.name as guardian, a.seen
from (
    select a.student_id, string_agg(concat_ws(' ', c.name, a.minutes_late), ', ' order by c.starts_at, c.id) as seen
    from academy.meeting m
    join academy.class c on c.id = m.class_id
    join academy.attendance a on a.meeting_id = m.id and a.status = %(status)s
    where m.tenant_id = %(tenant)s and m.held_on = %(day)s
      and (%(class)s::uuid is null or m.class_id = %(class)s)
      and (%(student)s::uuid is null or a.student_id = %(student)s) and a.student_id >= %(after_student)s::uuid
    group by a.student_id
) a
join academy.student s on s.id = a.student_id
left join academy.student_guardian l on l.student_id = s.id
left join academy.guardian g on g.id = l.guardian_id
where (s.id, coalesce(g.id, %(none)s::uuid)) > (%(after_student)s::uuid, %(after_guardian)s::uuid)
order by s.id, coalesce(g.id, %(none)s::uuid)
limit %(limit)s
