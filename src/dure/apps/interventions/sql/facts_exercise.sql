-- How much some users moved in a period, a row for each who did. Locks nothing. Index: (user, time).
select t.user_id, count(*)::integer, count(distinct t.day)::integer, sum(t.minutes)::float8,
       sum(t.minutes) filter (where t.intensity = any(%(vigorous)s))::float8,
       sum(t.minutes) filter (where t.intensity = any(%(light)s))::float8
from (
    select r.{user}::text as user_id, {day} as day, {minutes} as minutes, lower(({intensity})::text) as intensity
    from {records} r
    where r.{user} = any(%(users)s::text[]::{type}[]) and r.{time} >= {first} and r.{time} < {until}
) t
group by t.user_id
