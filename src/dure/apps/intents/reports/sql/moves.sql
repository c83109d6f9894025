-- Who came to the academy in some days, and who left. Locks nothing. Index: student_joined.
select s.name as student, s.grade, x.on_date as date, x.is_new, count(*) over () as total
from academy.student s
cross join lateral (values (s.joined_on, true), (s.left_on, false)) as x (on_date, is_new)
where s.tenant_id = %(tenant)s and x.on_date between %(first)s and %(last)s
order by x.on_date, s.name, s.id
limit %(limit)s
