-- Who was absent most often in some days. Locks nothing. Indexes: meeting_day, attendance's unique one.
select s.name as student, s.grade, count(*) filter (where a.status = 'absent') as absent,
       count(*) filter (where a.status = 'late') as late, string_agg(distinct c.name, ', ' order by c.name) as classes,
       count(*) over () as total
from academy.meeting m
join academy.attendance a on a.meeting_id = m.id and a.status in ('absent', 'late')
join academy.student s on s.id = a.student_id
join academy.class c on c.id = m.class_id
where m.tenant_id = %(tenant)s and m.held_on between %(first)s and %(last)s
group by s.id
having count(*) filter (where a.status = 'absent') > 0
order by absent desc, late desc, s.name, s.id
limit %(limit)s
