-- Who is here and has a birthday in a month, in its order. Reads all who are here. Locks nothing. Index: student_status.
select s.name, s.grade, s.birth_date, extract(day from s.birth_date)::int as day, count(*) over () as total
from academy.student s
where s.tenant_id = %(tenant)s and s.status in ('enrolled', 'paused') and extract(month from s.birth_date) = %(month)s
order by day, s.name, s.id
limit %(limit)s
