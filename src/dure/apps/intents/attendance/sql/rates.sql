-- The share of students who came to each class between two days, the lowest first. Locks nothing.
-- Indexes: meeting_day, attendance's unique one.
select c.name as class, c.teacher, count(distinct m.id) as meetings, count(*) as marked,
       count(*) filter (where a.status in ('present', 'late')) as came,
       count(*) filter (where a.status = 'late') as late,
       round(100.0 * count(*) filter (where a.status in ('present', 'late')) / count(*), 1) as came_percent,
       count(*) over () as total
from academy.meeting m
join academy.class c on c.id = m.class_id
join academy.attendance a on a.meeting_id = m.id
where m.tenant_id = %(tenant)s and m.held_on between %(first)s and %(last)s
group by c.id
order by came_percent, c.name
limit %(limit)s
