-- What a version of a class did (true), and what all others did (false), with the minutes in which an agent was seen and in which one lost its
-- lease. Without a time at which the others' window ends, only minutes count in which both did something. Locks nothing. Index: agent_minute's
-- primary key.
with seen as materialized (
    select m.version = %(version)s as is_new, m.minute, m.tasks_ok, m.tasks_failed, m.errors, m.leases_lost, m.latency
    from dure.agent_minute m
    where m.tenant_id = %(tenant_id)s and m.class = %(class)s
      and m.minute >= date_trunc('minute', least(%(new_from)s::timestamptz, %(old_from)s::timestamptz))
), shared as (
    select minute from seen group by minute having bool_or(is_new) and bool_or(not is_new)
), counted as materialized (
    select s.* from seen s
    where case when %(old_until)s::timestamptz is null then s.minute in (select minute from shared)
               when s.is_new then s.minute >= date_trunc('minute', %(new_from)s::timestamptz)
               else s.minute >= date_trunc('minute', %(old_from)s::timestamptz) and s.minute < %(old_until)s::timestamptz end
), buckets as (
    select c.is_new, u.n, sum(u.count) as count from counted c cross join lateral unnest(c.latency) with ordinality u(count, n) group by c.is_new, u.n
)
select s.is_new, sum(s.tasks_ok)::bigint, sum(s.tasks_failed)::bigint, sum(s.errors)::bigint, count(*)::bigint,
       count(*) filter (where s.leases_lost > 0)::bigint,
       coalesce((select array_agg(b.count::bigint order by b.n) from buckets b where b.is_new = s.is_new), '{}')
from counted s
group by s.is_new
