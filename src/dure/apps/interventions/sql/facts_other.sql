-- How many records of some other kind users have in a period. Locks nothing. Index: (user, time).
select r.{user}::text, count(*)::integer
from {records} r
where r.{user} = any(%(users)s::text[]::{type}[]) and r.{time} >= {first} and r.{time} < {until}
group by r.{user}
