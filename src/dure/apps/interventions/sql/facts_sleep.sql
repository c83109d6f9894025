-- How some users slept in a period, a row for each who did; a night belongs to the day on which it ended. Locks nothing.
-- Bedtimes are minutes after noon, so that midnight does not tear a night apart. Index: (user, time).
select t.user_id, count(*)::integer, avg(t.hours)::float8, min(t.hours)::float8, stddev_pop(t.bedtime)::float8, avg(t.bedtime)::float8
from (
    select r.{user}::text as user_id, {hours} as hours, {bedtime} as bedtime
    from {records} r
    where r.{user} = any(%(users)s::text[]::{type}[]) and r.{time} >= {first} and r.{time} < {until}
) t
group by t.user_id
