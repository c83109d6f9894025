-- What agents did, by version, by agent, or by minute of a version; in the last hour if nothing is said. Locks nothing.
-- Index: agent_minute's primary key, agent_minute_agent.
with span as (
    select coalesce(%(until)s::timestamptz, dure.now()) as until_at,
           greatest(coalesce(%(from)s::timestamptz, coalesce(%(until)s::timestamptz, dure.now()) - interval '1 hour'),
                    coalesce(%(until)s::timestamptz, dure.now()) - make_interval(mins => %(minutes_max)s::integer)) as from_at
), found as (
    select case when %(by)s = 'agent' then m.agent_id end as agent, case when %(by)s = 'minute' then m.minute end as at, m.*
    from dure.agent_minute m
    where m.tenant_id = %(tenant_id)s and (%(class)s::text is null or m.class = %(class)s)
      and (%(agent_id)s::text is null or m.agent_id = %(agent_id)s) and (%(version)s::text is null or m.version = %(version)s)
      and m.minute >= date_trunc('minute', (select from_at from span)) and m.minute < (select until_at from span)
)
select f.class, f.version, f.agent, f.at, count(distinct f.agent_id)::integer, sum(f.tasks_ok)::bigint, sum(f.tasks_failed)::bigint,
       sum(f.errors)::bigint, sum(f.leases_lost)::bigint, dure.sum_buckets(f.latency)
from found f
group by f.class, f.version, f.agent, f.at
order by f.class, f.at, dure.version_key(f.version), f.agent
limit 10000
