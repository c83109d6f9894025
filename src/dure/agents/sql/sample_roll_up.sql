-- Takes samples away and adds them to their minutes; answers how many. Those in another process's hands are passed by. Locks the samples, then
-- the minutes by their keys, so that two processes that add to the same ones wait for each other. Index: agent_sample's primary key.
with taken as (
    delete from dure.agent_sample where id in (
        select id from dure.agent_sample order by id limit %(limit)s for update skip locked)
    returning tenant_id, class, date_trunc('minute', at) as minute, version, agent_id, kind, ok, dure.latency_bucket(latency_ms) as bucket
), buckets as (
    select tenant_id, class, minute, version, agent_id, bucket, count(*)::integer as n from taken
    where kind = 'task' and bucket is not null group by 1, 2, 3, 4, 5, 6
), spread as (
    select tenant_id, class, minute, version, agent_id,
           (select array_agg(coalesce(found.n, 0) order by g.n)
            from generate_series(0, max(bucket)) as g(n) left join unnest(array_agg(bucket), array_agg(buckets.n)) as found(bucket, n)
            on found.bucket = g.n) as latency
    from buckets group by 1, 2, 3, 4, 5
), sums as (
    select tenant_id, class, minute, version, agent_id,
           count(*) filter (where kind = 'task' and ok)::integer as tasks_ok, count(*) filter (where kind = 'task' and not ok)::integer as tasks_failed,
           count(*) filter (where kind = 'error')::integer as errors, count(*) filter (where kind = 'lease_lost')::integer as leases_lost
    from taken group by 1, 2, 3, 4, 5
), added as (
    insert into dure.agent_minute as m (tenant_id, class, minute, version, agent_id, tasks_ok, tasks_failed, errors, leases_lost, latency)
    select s.tenant_id, s.class, s.minute, s.version, s.agent_id, s.tasks_ok, s.tasks_failed, s.errors, s.leases_lost, coalesce(l.latency, '{}')
    from sums s left join spread l using (tenant_id, class, minute, version, agent_id)
    order by s.tenant_id, s.class, s.minute, s.version, s.agent_id
    on conflict (tenant_id, class, minute, version, agent_id) do update set
        tasks_ok = m.tasks_ok + excluded.tasks_ok, tasks_failed = m.tasks_failed + excluded.tasks_failed,
        errors = m.errors + excluded.errors, leases_lost = m.leases_lost + excluded.leases_lost,
        latency = dure.add_buckets(m.latency, excluded.latency)
)
select count(*) from taken
