-- Who joined between two days, the latest first. Locks nothing. Index: student_joined.
select s.name, s.grade, s.status, s.joined_on, count(*) over () as total
from academy.student s
where s.tenant_id = %(tenant)s and s.joined_on between %(first)s and %(last)s
order by s.joined_on desc, s.name, s.id
limit %(limit)s
