-- Claims up to %(most)s jobs for a worker: one statement, one new claim (the fencing token), ordered by priority then
-- age within a tenant and dealt out in equal parts between tenants, beginning with the one after that served last.
--
-- Where to look: with %(walk)s, at every lane that has a line, found by jumping from lane to lane through the index;
-- without, only from the marks (lane, rank, bundle) that this worker's last claim ended at. The marks matter while an
-- old snapshot is open somewhere: what was claimed before them cannot be vacuumed then, and would be read again each time.
-- Lanes below zero are agents' (0015_agents), and begin where this walk does not.
-- Bundles are taken whole or split. %(bundles)s bounds how many are locked: what the caller wants, divided by what its
-- last bundles held. A row of nulls says that bundles were used up without a job in them that can run: look again.
-- Locks: rows of dure.ready (SKIP LOCKED), then the jobs. Index: ready_line, then job's primary key. No job column that
-- is in an index changes, so the update is HOT.
with recursive walk as (
    (select r.lane_id, r.rank, r.first_id from dure.ready r where %(walk)s and r.lane_id > 0 order by r.lane_id, r.rank, r.first_id limit 1)
    union all
    select n.lane_id, n.rank, n.first_id
    from walk w cross join lateral (
        select r.lane_id, r.rank, r.first_id from dure.ready r
        where r.lane_id > w.lane_id order by r.lane_id, r.rank, r.first_id limit 1) n
), line as materialized (
    select lane_id, rank, first_id, (-32768)::smallint as from_rank, '00000000-0000-0000-0000-000000000000'::uuid as from_id
    from walk
    union all
    select lane_id, rank, id, rank, id
    from unnest(%(lanes)s::integer[], %(ranks)s::smallint[], %(ids)s::uuid[]) as mark(lane_id, rank, id) where not %(walk)s
), open as materialized (
    select line.lane_id, line.from_rank, line.from_id, l.tenant_id,
           row_number() over (partition by l.tenant_id order by line.rank, line.first_id) as nth,
           dense_rank() over (order by (l.tenant_id > %(tenant)s) desc, l.tenant_id) as place
    from line join dure.lane l on l.lane_id = line.lane_id
    join dure.handler h on h.handler = l.handler and h.paused_at is null
    left join dure.queue q on q.queue = l.queue
    where q.paused_at is null and (cardinality(%(queues)s::text[]) = 0 or l.queue = any (%(queues)s::text[]))
      and line.lane_id <> all (%(shunned)s::integer[])
), turn as materialized (
    select o.lane_id, o.from_rank, o.from_id, o.tenant_id, ceil(%(most)s::numeric / least(max(o.place) over (), %(most)s))::integer as share
    from open o where o.nth <= 64 and o.place <= %(most)s
      -- A worker that was buried and does not know it yet takes nothing more.
      and exists (select from dure.worker where worker_id = %(worker)s and ended_at is null)
), found as materialized (
    select r.spot, r.lane_id, r.rank, r.first_id, r.ids, t.share,
           sum(cardinality(r.ids)) over (partition by t.tenant_id order by r.rank, r.first_id) - cardinality(r.ids) as before
    from turn t cross join lateral (
        select ready.ctid as spot, ready.lane_id, ready.rank, ready.first_id, ready.ids from dure.ready
        where ready.lane_id = t.lane_id and (ready.rank, ready.first_id) >= (t.from_rank, t.from_id)
        order by ready.rank, ready.first_id limit least(t.share, %(bundles)s) for update skip locked) r
), taken as materialized (
    select spot, lane_id, rank, first_id, ids[:share - before] as ids, cardinality(ids) <= share - before as whole
    from found where before < share
), gone as (
    delete from dure.ready where ctid = any (array(select spot from taken where whole))
), split as (
    update dure.ready r set ids = r.ids[cardinality(t.ids) + 1:] from taken t where r.ctid = t.spot and not t.whole
), claim as (
    insert into dure.claim (worker_id, job_ids)
    select %(worker)s, ids from (select array_agg(id) as ids from taken cross join lateral unnest(taken.ids) id) g where ids is not null
    returning claim_id, claimed_at
), begun as (
    update dure.job j
    set state = 'processing', claim_id = claim.claim_id, worker_id = %(worker)s, started_at = claim.claimed_at, attempt = j.attempt + 1
    from claim, taken cross join lateral unnest(taken.ids) as member(id)
    where j.id = member.id and j.state = 'pending' and j.blocked_by = 0 and (j.run_at is null or j.run_at <= claim.claimed_at)
    returning j.id::text, j.claim_id, j.handler, j.params::text, j.tenant_id, j.attempt, j.retry_count, j.max_retries, j.crash_count,
        j.timeout_s, extract(epoch from j.deadline_at - claim.claimed_at)::double precision, taken.lane_id, taken.rank, taken.first_id::text
)
select * from begun
union all
select null, null, null, null, null, null, null, null, null, null, null, null, null, null
where not exists (select from begun) and exists (select from taken)
