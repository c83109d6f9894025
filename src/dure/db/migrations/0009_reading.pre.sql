-- What people ask of the queue: which jobs are open, how long the lines are, why a job does not run, who did what.
--
-- The lines belong to the engine and a tenant sees no row of them, so what reads them is SECURITY DEFINER and filters by
-- dure.reader() itself. A tenant learns of its own jobs only; of a limit that all share, it learns that it is full.

-- A failed job is looked for by the system across tenants too; the rows are few.
create index if not exists trouble_state on dure.trouble (state, job_id);

-- Jobs that wait for others: the table keeps what was met until it is pruned, and only what is not met is asked for.
create index if not exists dependency_open on dure.dependency (job_id) where not met;

-- Whose rows this session reads: its tenant's, or all (null) for the system.
create or replace function dure.reader() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if dure.tenant_id() is null and not dure.is_system() then
        perform dure.raise_error('refused', 'tenant_id', 'no tenant is set for this session', '{"reason": "not_allowed"}');
    end if;
    return dure.tenant_id();
end $$;

-- Ids of jobs that stand in a line, newest first, never the whole history. Bundles of the ready line overlap and hold
-- hints, so all of them are looked through, and the caller asks each job itself whether it is pending.
create or replace function dure.pending_jobs(p_handler text, p_queue text, p_before uuid, p_most integer) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with reader as materialized (
        select dure.reader() as tenant_id
    ), lane as materialized (
        select l.lane_id from dure.lane l, reader
        where (reader.tenant_id is null or l.tenant_id = reader.tenant_id)
          and (p_handler is null or l.handler = p_handler) and (p_queue is null or l.queue = p_queue)
    ), waiting as (
        (select member.id from dure.ready r cross join lateral unnest(r.ids) as member(id)
         where r.lane_id in (select lane_id from lane) and r.first_id < p_before and member.id < p_before
         order by member.id desc limit p_most)
        union
        (select h.job_id from dure.held h where h.lane_id in (select lane_id from lane) and h.job_id < p_before
         order by h.job_id desc limit p_most)
        union
        (select t.job_id from dure.later t join dure.job j on j.id = t.job_id
         where j.lane_id in (select lane_id from lane) and t.job_id < p_before order by t.job_id desc limit p_most)
        union
        (select b.job_id from (select distinct d.job_id from dure.dependency d where not d.met and d.job_id < p_before) b
         join dure.job j on j.id = b.job_id
         where j.blocked_by > 0 and j.state = 'pending' and j.lane_id in (select lane_id from lane)
         order by b.job_id desc limit p_most)
    )
    select id from waiting order by id desc limit p_most
$$;

-- Ids of jobs that a worker holds, newest first, from the claims: they are few, whatever the history.
create or replace function dure.processing_jobs(p_handler text, p_queue text, p_before uuid, p_most integer) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select j.id
    from (select dure.reader() as tenant_id) reader
    cross join dure.claim c cross join lateral unnest(c.job_ids) as held(id)
    join dure.job j on j.id = held.id and j.claim_id = c.claim_id and j.state = 'processing'
    join dure.lane l on l.lane_id = j.lane_id
    where j.id < p_before and (reader.tenant_id is null or j.tenant_id = reader.tenant_id)
      and (p_handler is null or l.handler = p_handler) and (p_queue is null or l.queue = p_queue)
    order by j.id desc limit p_most
$$;

-- How many open jobs stand where, by queue: of the reader's tenant, or of all for the system. The ready line holds hints:
-- up to 50,000 of them each is asked whether it holds, beyond that they are counted as they are.
create or replace function dure.depths() returns table (queue text, place text, jobs bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with reader as materialized (
        select dure.reader() as tenant_id
    ), lane as materialized (
        select l.lane_id, l.queue from dure.lane l, reader where reader.tenant_id is null or l.tenant_id = reader.tenant_id
    ), line as (
        select r.lane_id, 'ready' as place, sum(cardinality(r.ids)) as jobs from dure.ready r group by r.lane_id
        union all
        select h.lane_id, 'held', count(*) from dure.held h group by h.lane_id
        union all
        select j.lane_id, 'later', count(*) from dure.later t join dure.job j on j.id = t.job_id group by j.lane_id
        union all
        select j.lane_id, 'blocked', count(*)
        from (select distinct d.job_id from dure.dependency d where not d.met) b
        join dure.job j on j.id = b.job_id where j.blocked_by > 0 and j.state = 'pending' group by j.lane_id
        union all
        select j.lane_id, 'processing', count(*)
        from dure.claim c cross join lateral unnest(c.job_ids) as held(id)
        join dure.job j on j.id = held.id and j.claim_id = c.claim_id and j.state = 'processing' group by j.lane_id
    )
    select lane.queue, line.place, sum(line.jobs)::bigint
    from line join lane using (lane_id) group by lane.queue, line.place order by lane.queue, line.place
$$;

-- How many jobs of the same tenant are claimed before this one: a look at the first p_most of each line.
create or replace function dure.ahead_of(p_tenant text, p_rank smallint, p_id uuid, p_most integer) returns integer
language sql stable set search_path = pg_catalog, pg_temp as $$
    select least(count(distinct j.id), p_most)::integer
    from dure.lane l cross join lateral (
        select member.id from (
            select r.ids, r.rank, r.first_id from dure.ready r
            where r.lane_id = l.lane_id and (r.rank, r.first_id) <= (p_rank, p_id) order by r.rank, r.first_id limit p_most) r
        cross join lateral unnest(r.ids) as member(id)
        where r.rank < p_rank or member.id < p_id
        limit p_most) front
    join dure.job j on j.id = front.id and j.state = 'pending' and j.blocked_by = 0
    where l.tenant_id = p_tenant
$$;

-- How many more jobs may start under a limit, and when that may change by time alone: dure.capacity without its cleaning,
-- so that asking changes nothing.
create or replace function dure.room(p_limit dure.limit, p_now timestamptz, out free integer, out again_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select least(p_limit.concurrency_max - running.n, p_limit.rate_max - started.n, 1000000)::integer,
           case when p_limit.rate_max <= started.n then started.first_at + make_interval(secs => p_limit.rate_period_s) end
    from (select count(*) as n from dure.running r where r.limit_id = p_limit.limit_id) running,
         (select count(*) as n, min(s.at) as first_at from dure.limit_start s
          where s.limit_id = p_limit.limit_id and s.at > p_now - make_interval(secs => p_limit.rate_period_s)) started
$$;

-- Why a waiting job waits, the first reason that holds: what it waits for itself, then who could run it, then its place.
create or replace function dure.why_waiting(p_job dure.job) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_now     timestamptz := dure.now();
    v_lane    dure.lane;
    v_handler dure.handler;
    v_queue   dure.queue;
    v_limit   dure.limit;
    v_room    record;
    v_ahead   integer;
begin
    if p_job.blocked_by > 0 then
        return jsonb_build_object('code', 'waits_for_jobs', 'count', p_job.blocked_by, 'ids', (
            select coalesce(jsonb_agg(o.depends_on_id), '[]') from (
                select d.depends_on_id from dure.dependency d where d.job_id = p_job.id and not d.met
                order by d.depends_on_id limit 10) o));
    elsif exists (select from dure.later t where t.run_at = p_job.run_at and t.job_id = p_job.id) and p_job.run_at > v_now then
        return jsonb_build_object('code', case when p_job.attempt > 0 then 'waits_for_retry' else 'waits_for_time' end,
            'run_at', p_job.run_at, 'retry', p_job.retry_count, 'max_retries', p_job.max_retries,
            'error_class', coalesce(p_job.error_class, ''));
    end if;
    select * into v_lane from dure.lane where lane_id = p_job.lane_id;
    select * into v_handler from dure.handler where handler = p_job.handler;
    select * into v_queue from dure.queue where queue = v_lane.queue;
    if v_handler.paused_at is not null then
        return jsonb_build_object('code', 'handler_paused', 'handler', p_job.handler, 'since', v_handler.paused_at,
            'by', coalesce(v_handler.paused_by, ''));
    elsif v_queue.paused_at is not null then
        return jsonb_build_object('code', 'queue_paused', 'queue', v_lane.queue, 'since', v_queue.paused_at,
            'by', coalesce(v_queue.paused_by, ''));
    elsif not exists (select from dure.worker where ended_at is null and lease_until > v_now) then
        return jsonb_build_object('code', 'no_worker');
    elsif not exists (select from dure.worker where ended_at is null and lease_until > v_now
                      and (cardinality(queues) = 0 or v_lane.queue = any (queues))) then
        return jsonb_build_object('code', 'no_worker_for_queue', 'queue', v_lane.queue);
    end if;
    select l.* into v_limit from dure.held h join dure.limit l on l.limit_id = h.limit_id where h.job_id = p_job.id;
    if not found then
        v_ahead := dure.ahead_of(p_job.tenant_id, (-p_job.priority)::smallint, p_job.id, 1000);
    else
        select * into v_room from dure.room(v_limit, v_now);
        if v_room.free <= 0 then
            -- How many run now is not told: under a limit that all share it would speak of others' jobs.
            return jsonb_build_object('code', case when v_room.again_at is null then 'limited' else 'limited_until' end,
                'limit', coalesce(nullif(v_limit.limit_key, ''), nullif(v_limit.handler, ''), v_limit.tenant_id),
                'max', case when v_room.again_at is null then v_limit.concurrency_max else v_limit.rate_max end,
                'period_s', v_limit.rate_period_s, 'again_at', v_room.again_at);
        end if;
        v_ahead := (select count(*) from (
            select from dure.held h join dure.lane l on l.lane_id = h.lane_id and l.tenant_id = p_job.tenant_id
            where h.limit_id = v_limit.limit_id and (h.rank, h.job_id) < ((-p_job.priority)::smallint, p_job.id) limit 1000) front);
    end if;
    return jsonb_build_object('code', case when v_ahead < 1000 then 'in_line' else 'in_line_far' end, 'position', v_ahead + 1);
end $$;

-- Why a job does not run, or what became of it: {"code", and what the sentence of that code names}.
create or replace function dure.why(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_job    dure.job := dure.own_job(p_id);
    v_worker dure.worker;
begin
    if v_job.state = 'pending' then
        return dure.why_waiting(v_job);
    elsif v_job.state = 'processing' then
        select * into v_worker from dure.worker where worker_id = v_job.worker_id;
        if v_worker.ended_at is not null or v_worker.lease_until < dure.now() then
            return jsonb_build_object('code', 'worker_lost', 'worker_id', v_job.worker_id, 'since', v_worker.lease_until);
        elsif v_job.cancel_requested_at is not null then
            return jsonb_build_object('code', 'asked_to_stop', 'since', v_job.cancel_requested_at, 'worker_id', v_job.worker_id,
                'reason', coalesce((select c.reason from dure.cancellation c where c.job_id = p_id), ''));
        end if;
        return jsonb_build_object('code', 'running', 'worker_id', v_job.worker_id, 'since', v_job.started_at);
    elsif v_job.state = 'completed' then
        return jsonb_build_object('code', 'completed', 'at', v_job.finished_at);
    end if;
    return jsonb_build_object('code', v_job.state, 'at', v_job.finished_at, 'error_class', coalesce(v_job.error_class, ''),
        'error', coalesce(v_job.error, ''), 'crashes', v_job.crash_count);
end $$;

-- Notes who did what. A tenant's session writes for its own tenant; the system names one, or none for all.
create or replace function dure.record(p_actor text, p_verb text, p_subject text, p_detail jsonb default '{}', p_tenant text default null)
returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into dure.event (tenant_id, actor, verb, subject, detail)
    values (coalesce(dure.reader(), p_tenant), left(p_actor, 200), p_verb, p_subject, p_detail)
$$;

revoke all on all functions in schema dure from public;
grant execute on function dure.reader, dure.pending_jobs, dure.processing_jobs, dure.depths, dure.why, dure.record
    to dure_app, dure_system;
grant execute on function dure.ahead_of, dure.room, dure.why_waiting to dure_system;
