-- How each student of a class came between two days, with the share of meetings that they came to. Locks nothing.
-- Indexes: meeting's unique one, attendance's unique one.
select s.name as student, s.grade, count(*) as marked,
       count(*) filter (where a.status = 'present') as present, count(*) filter (where a.status = 'late') as late,
       count(*) filter (where a.status = 'absent') as absent, count(*) filter (where a.status = 'excused') as excused,
       round(100.0 * count(*) filter (where a.status in ('present', 'late')) / count(*), 1) as came_percent,
       count(*) over () as total
from academy.meeting m
join academy.attendance a on a.meeting_id = m.id
join academy.student s on s.id = a.student_id
where m.tenant_id = %(tenant)s and m.class_id = %(class)s and m.held_on between %(first)s and %(last)s
group by s.id
order by s.name, s.id
limit %(limit)s
