-- What agents did, by version, by agent, or by minute of a version; in the last hour if nothing is said. Locks nothing.
-- Index: agent_minute's primary key, agent_minute_agent.
with span as (
    select coalesce(%(until)s::timestamptz, dure.now()) as until_at,
           greatest(coalesce(%(from)s::timestamptz, coalesce(%(until)s::timestamptz, dure.now()) - interval '1 hour'),
                    coalesce(%(until)s::timestamptz, dure.now()) - make_interval(mins => %(minutes_max)s::integer)) as from_at
), found as materialized (
    select m.class, m.version, coalesce(case when %(by)s = 'agent' then m.agent_id end, '') as agent,
           coalesce(case when %(by)s = 'minute' then m.minute end, '-infinity') as at, m.agent_id, m.tasks_ok, m.tasks_failed, m.errors,
           m.leases_lost, m.latency
    from dure.agent_minute m
    where m.tenant_id = %(tenant_id)s and (%(class)s::text is null or m.class = %(class)s)
      and (%(agent_id)s::text is null or m.agent_id = %(agent_id)s) and (%(version)s::text is null or m.version = %(version)s)
      and m.minute >= date_trunc('minute', (select from_at from span)) and m.minute < (select until_at from span)
), sums as (
    select class, version, agent, at, count(distinct agent_id)::integer as agents, sum(tasks_ok)::bigint as tasks_ok,
           sum(tasks_failed)::bigint as tasks_failed, sum(errors)::bigint as errors, sum(leases_lost)::bigint as leases_lost
    from found group by class, version, agent, at
), buckets as (
    select f.class, f.version, f.agent, f.at, u.n, sum(u.count)::bigint as count
    from found f cross join lateral unnest(f.latency) with ordinality u(count, n)
    group by f.class, f.version, f.agent, f.at, u.n
), latencies as (
    select class, version, agent, at, array_agg(count order by n) as latency from buckets group by class, version, agent, at
)
select s.class, s.version, nullif(s.agent, ''), nullif(s.at, '-infinity'), s.agents, s.tasks_ok, s.tasks_failed, s.errors, s.leases_lost,
       coalesce(l.latency, '{}')
from sums s left join latencies l using (class, version, agent, at)
order by s.class, s.at, dure.version_key(s.version), s.agent
limit 10000
