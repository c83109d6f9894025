-- Students who were absent each of the last times, since a day. Locks nothing. Indexes: meeting_day, attendance's unique one.
with marks as (
    select a.student_id, a.status, m.held_on,
           row_number() over (partition by a.student_id order by m.held_on desc, c.starts_at desc) as nth
    from academy.meeting m
    join academy.class c on c.id = m.class_id
    join academy.attendance a on a.meeting_id = m.id
    where m.tenant_id = %(tenant)s and m.held_on between %(first)s and %(last)s
), streaks as (
    select student_id, coalesce(min(nth) filter (where status <> 'absent'), count(*) + 1) - 1 as absences,
           max(held_on) filter (where status <> 'absent') as last_came_on
    from marks group by student_id
)
select s.name as student, s.grade, k.absences, k.last_came_on, count(*) over () as total
from streaks k join academy.student s on s.id = k.student_id
where k.absences >= %(least)s and s.status = 'enrolled'
order by k.absences desc, s.name, s.id
limit %(limit)s
