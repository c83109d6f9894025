-- When the open classes meet, by day of the week. Locks nothing. Index: class_open_name.
select d.weekday, c.starts_at, c.ends_at, c.name as class, c.subject, c.teacher, count(*) over () as total
from academy.class c cross join lateral unnest(c.weekdays) as d (weekday)
where c.tenant_id = %(tenant)s and c.closed_on is null and (%(weekday)s::int is null or d.weekday = %(weekday)s)
  and (%(teacher)s::text is null or c.teacher = %(teacher)s)
order by d.weekday, c.starts_at, c.name
limit %(limit)s
