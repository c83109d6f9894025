-- Answers how many records the largest unit has, and how many units have more than may be done together.
select coalesce(max(n), 0), count(*) filter (where n > %(most)s)
from (select count(*) as n from pg_temp.dure_rehearsed_unit group by unit) sizes
