-- Meetings that were held and whose attendance is not wholly marked, with who is missing. Locks nothing.
-- Indexes: meeting_day, enrolment_class, attendance's unique one.
select m.held_on as date, c.name as class, c.teacher, count(*) as unmarked,
       (array_agg(s.name order by s.name))[1:%(names)s] as students, count(*) over () as total
from academy.meeting m
join academy.class c on c.id = m.class_id
join academy.enrolment e on e.class_id = m.class_id and e.from_on <= m.held_on
    and (e.until_on is null or e.until_on >= m.held_on)
join academy.student s on s.id = e.student_id and s.status = 'enrolled'
where m.tenant_id = %(tenant)s and m.held_on between %(first)s and %(last)s and not m.cancelled
  and not exists (select from academy.attendance a where a.meeting_id = m.id and a.student_id = s.id)
group by m.id, c.id
order by m.held_on desc, c.starts_at, c.name
limit %(limit)s
