-- What some users ate in a period, a row for each who ate something. Locks nothing. Index: (user, time).
-- Hours are those of the zone asked for; a record without an hour counts for neither end of the day.
select t.user_id, count(*)::integer, count(distinct t.day)::integer,
       sum(t.calories)::float8, sum(t.protein_g)::float8, sum(t.carbs_g)::float8, sum(t.fat_g)::float8, sum(t.sodium_mg)::float8,
       count(distinct t.day) filter (where t.hour >= %(morning_from)s and t.hour < %(morning_until)s)::integer,
       count(*) filter (where t.hour >= %(late_from)s or t.hour < %(late_until)s)::integer
from (
    select r.{user}::text as user_id, {day} as day, {hour} as hour, {calories} as calories, {protein_g} as protein_g,
           {carbs_g} as carbs_g, {fat_g} as fat_g, {sodium_mg} as sodium_mg
    from {records} r
    where r.{user} = any(%(users)s::text[]::{type}[]) and r.{time} >= {first} and r.{time} < {until}
) t
group by t.user_id
