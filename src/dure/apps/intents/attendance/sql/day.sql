-- The meetings of a day, each with how its students came and how many are not marked yet. Locks nothing.
-- Indexes: meeting_day, attendance's unique one, enrolment_class.
select c.name as class, c.teacher, c.starts_at, m.cancelled, a.present, a.late, a.absent, a.excused, u.unmarked
from academy.meeting m
join academy.class c on c.id = m.class_id
cross join lateral (
    select count(*) filter (where status = 'present') as present, count(*) filter (where status = 'late') as late,
           count(*) filter (where status = 'absent') as absent, count(*) filter (where status = 'excused') as excused
    from academy.attendance where meeting_id = m.id
) a
cross join lateral (
    select count(*) as unmarked
    from academy.enrolment e join academy.student s on s.id = e.student_id
    where e.class_id = m.class_id and e.from_on <= m.held_on and (e.until_on is null or e.until_on >= m.held_on)
      and s.status = 'enrolled' and not m.cancelled
      and not exists (select from academy.attendance x where x.meeting_id = m.id and x.student_id = s.id)
) u
where m.tenant_id = %(tenant)s and m.held_on = %(day)s and (%(class)s::uuid is null or m.class_id = %(class)s)
order by c.starts_at, c.name
limit %(limit)s
