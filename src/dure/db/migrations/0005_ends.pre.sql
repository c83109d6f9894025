-- How attempts and jobs end, and what becomes due. Claim and completion, the hot pair, are statements of the worker
-- (queue/sql/claim.sql, queue/sql/finish.sql); everything rarer is here, where every client can use it and one
-- transaction holds it.

-- What the end of jobs means for others: their keys, limits, deadlines, and the jobs that wait for them. Works in
-- waves, not by recursion, because a chain of dependents may be longer than the stack is deep.
create or replace function dure.after_end(p_ids uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wave   uuid[] := p_ids;
    v_now    timestamptz := dure.now();
    v_doomed uuid[];
begin
    while cardinality(v_wave) > 0 loop
        -- In the order of the keys, as dure.take_keys. What did not complete gives its key up at once, but its row stays
        -- until dure.prune, so that a retry takes the key back for as long as was asked.
        perform from dure.unique_key u where u.job_id = any (v_wave)
        order by u.tenant_id, u.handler, u.unique_key for update;
        delete from dure.unique_key u using dure.job j
        where j.id = any (v_wave) and u.job_id = j.id and j.state = 'completed' and u.keep_s = 0;
        update dure.unique_key u set until = v_now + make_interval(secs => case j.state when 'completed' then u.keep_s else 0 end)
        from dure.job j where j.id = any (v_wave) and u.job_id = j.id;
        perform dure.free_limits(v_wave);
        delete from dure.deadline d using dure.job j
        where j.id = any (v_wave) and d.deadline_at = j.deadline_at and d.job_id = j.id;
        delete from dure.cancellation where job_id = any (v_wave);
        insert into dure.trouble (job_id, tenant_id, state)
        select id, tenant_id, state from dure.job where id = any (v_wave) and state <> 'completed'
        on conflict (job_id) do update set state = excluded.state;

        v_doomed := array(
            select distinct d.job_id from dure.dependency d join dure.job j on j.id = d.depends_on_id
            where d.depends_on_id = any (v_wave) and not d.met and d.need = 'completed' and j.state <> 'completed');
        perform dure.unblock(v_wave);
        v_wave := dure.end_pending(v_doomed, 'cancelled', 'DependencyFailed', null);
    end loop;
end $$;

-- Counts met dependencies off the jobs that wait, one update a waiting job, and puts those free of them in line.
create or replace function dure.unblock(p_ended uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_free uuid[];
begin
    perform from dure.job w
    where w.id in (select d.job_id from dure.dependency d where d.depends_on_id = any (p_ended) and not d.met)
    order by w.id for no key update;
    with met as (
        update dure.dependency d set met = true from dure.job j
        where d.depends_on_id = any (p_ended) and not d.met and j.id = d.depends_on_id
          and (d.need = 'ended' or j.state = 'completed')
        returning d.job_id
    ), free as (
        update dure.job w set blocked_by = w.blocked_by - m.n
        from (select job_id, count(*) as n from met group by job_id) m
        where w.id = m.job_id and w.state = 'pending' returning w.id, w.blocked_by
    )
    select array_agg(id) into v_free from free where blocked_by = 0;
    if v_free is not null then
        perform dure.place(v_free);
        perform dure.wake();
    end if;
end $$;

-- Gives back what ended jobs took of their limits, and has those limits looked at.
create or replace function dure.free_limits(p_ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    with freed as (delete from dure.running where job_id = any (p_ids) returning limit_id)
    insert into dure.limit_due (due_at, limit_id)
    select distinct dure.now(), limit_id from freed;
    -- Even where no job waits that can be seen from here: one may be moving into that line at this moment.
    if found then
        perform dure.wake();
    end if;
end $$;

-- Takes jobs out of the lines that go by time and by limits. In dure.ready an id is a hint, which stays.
create or replace function dure.unplace(p_ids uuid[]) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    with job as materialized (
        select id, run_at from dure.job where id = any (p_ids) and state = 'pending'
    ), later as (
        delete from dure.later l using job where l.run_at = job.run_at and l.job_id = job.id
    ), held as (
        delete from dure.held h using job where h.job_id = job.id returning h.from_id
    )
    insert into dure.limit_due (due_at, limit_id) select distinct dure.now(), from_id from held where from_id is not null
$$;

-- Ends jobs that nobody runs. Answers which it ended; the caller owes them dure.after_end.
create or replace function dure.end_pending(p_ids uuid[], p_state text, p_class text, p_error text) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_ended uuid[];
begin
    if cardinality(p_ids) > 0 then
        perform dure.unplace(p_ids);
        -- A claim that is under way holds the jobs' rows: this waits for it, and then finds them processing.
        perform from dure.job where id = any (p_ids) order by id for update;
        with ended as (
            update dure.job j set state = p_state, finished_at = dure.now(), blocked_by = 0, error_class = p_class,
                error = coalesce(p_error, (
                    select format('job %s, which this job depends on, is %s', o.id, o.state)
                    from dure.dependency d join dure.job o on o.id = d.depends_on_id
                    where d.job_id = j.id and o.state in ('failed', 'cancelled', 'quarantined') limit 1))
            where j.id = any (p_ids) and j.state = 'pending'
            returning j.id
        )
        select array_agg(id) into v_ended from ended;
    end if;
    return coalesce(v_ended, '{}');
end $$;

create or replace function dure.end_jobs(p_ids uuid[], p_state text, p_class text, p_error text) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_ended uuid[] := dure.end_pending(p_ids, p_state, p_class, p_error);
begin
    perform dure.after_end(v_ended);
    return v_ended;
end $$;

-- How an attempt ended, when not by completion; p_outcomes is an array of
--   {"id", "claim_id", "outcome": retried|failed|crashed|cancelled|released|waited, "delay_s", "error_class", "error", "traceback"}.
-- Fenced: an entry whose claim is no longer the job's is left out of the answer, and changed nothing.
create or replace function dure.settle(p_outcomes jsonb, p_closed bigint[] default '{}') returns uuid[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now    timestamptz := dure.now();
    v_all    uuid[];
    v_ended  uuid[];
    v_linked uuid[];
    v_cyclic uuid[] := '{}';
begin
    if p_outcomes @> '[{"outcome": "waited"}]' then
        -- As dure.depend: whoever adds to what existing jobs wait for does it alone.
        perform pg_advisory_xact_lock(hashtext('dure.depend'));
    end if;
    perform from dure.job j join jsonb_to_recordset(p_outcomes) as o(id uuid, claim_id bigint) on j.id = o.id
    where j.claim_id = o.claim_id and j.state = 'processing' order by j.id for update of j;
    -- Before the jobs' own rows are written, because a child may end in this very call.
    v_cyclic := dure.wait_for_children(array(
        select j.id from dure.job j join jsonb_to_recordset(p_outcomes) as o(id uuid, claim_id bigint, outcome text) on j.id = o.id
        where j.claim_id = o.claim_id and j.state = 'processing' and j.cancel_requested_at is null and o.outcome = 'waited'));
    with given as materialized (
        select o.id, o.claim_id, o.delay_s, o.traceback, j.started_at, j.worker_id,
               case when o.id = any (v_cyclic) then 'failed' else o.outcome end as outcome,
               case when o.id = any (v_cyclic) then 'DependencyCycle' else o.error_class end as error_class,
               case when o.id = any (v_cyclic) then 'a child that this job would wait for waits for this job' else o.error end as error,
               case when o.outcome in ('failed', 'cancelled') then o.outcome
                    when o.id = any (v_cyclic) then 'failed'
                    when j.cancel_requested_at is not null then 'cancelled'
                    when o.outcome = 'retried' and j.retry_count >= j.max_retries then 'failed'
                    when o.outcome = 'crashed' and j.crash_count >= 2 then 'quarantined' else 'pending' end as state
        from jsonb_to_recordset(p_outcomes)
             as o(id uuid, claim_id bigint, outcome text, delay_s double precision, error_class text, error text, traceback text)
        join dure.job j on j.id = o.id and j.claim_id = o.claim_id and j.state = 'processing'
    ), settled as (
        update dure.job j set
            state = g.state,
            finished_at = case when g.state <> 'pending' then v_now end,
            retry_count = j.retry_count + (g.outcome = 'retried' and g.state = 'pending')::integer,
            crash_count = j.crash_count + (g.outcome = 'crashed')::integer,
            run_at = case when g.delay_s > 0 then v_now + make_interval(secs => g.delay_s) end,
            error_class = case when g.outcome in ('released', 'waited') then j.error_class else g.error_class end,
            error = case when g.outcome in ('released', 'waited') then j.error else g.error end,
            blocked_by = case when g.outcome = 'waited' and g.state = 'pending'
                              then (select count(*) from dure.dependency d where d.job_id = j.id and not d.met) else 0 end,
            claim_id = null
        from given g where j.id = g.id
        returning j.id, j.tenant_id, j.attempt, j.state, j.limit_ids
    ), story as (
        insert into dure.attempt (job_id, attempt, tenant_id, worker_id, started_at, ended_at, outcome, error_class, error, traceback)
        select s.id, s.attempt, s.tenant_id, g.worker_id, g.started_at, v_now,
               case when g.outcome = 'retried' and s.state = 'failed' then 'failed' else g.outcome end, g.error_class, g.error, g.traceback
        from settled s join given g using (id) on conflict do nothing
    ), asked as (
        delete from dure.cancellation c using settled s where c.job_id = s.id
    )
    select coalesce(array_agg(id), '{}'), coalesce(array_agg(id) filter (where state <> 'pending'), '{}'),
           coalesce(array_agg(id) filter (where limit_ids is not null), '{}')
    into v_all, v_ended, v_linked from settled;
    perform dure.free_limits(v_linked);
    perform dure.place(v_all);
    perform dure.after_end(v_ended);
    delete from dure.claim where claim_id = any (p_closed);
    if cardinality(v_all) > cardinality(v_ended) then
        perform dure.wake();
    end if;
    return v_all;
end $$;

-- Makes jobs wait until all their children have ended, however they end. Answers those that cannot, because a child waits
-- for them in turn; they are left as they were.
create or replace function dure.wait_for_children(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_open   uuid[];
    v_id     uuid;
    v_cyclic uuid[] := '{}';
begin
    if cardinality(p_ids) = 0 then
        return v_cyclic;
    end if;
    perform from dure.job where parent_id = any (p_ids) and state in ('pending', 'processing') order by id for no key update;
    -- Locking may have waited for an end: only those that are still open after it count.
    foreach v_id in array p_ids loop
        v_open := array(select id from dure.job where parent_id = v_id and state in ('pending', 'processing'));
        if dure.would_wait_for(v_open, v_id) then
            v_cyclic := v_cyclic || v_id;
        else
            update dure.job set linked = true where id = any (v_open) and not linked;
            insert into dure.dependency (job_id, depends_on_id, need) select v_id, o, 'ended' from unnest(v_open) o
            on conflict (job_id, depends_on_id) do update set need = 'ended', met = false;
        end if;
    end loop;
    return v_cyclic;
end $$;

-- Whether any of these jobs is, or waits for, the given one: directly or through others.
create or replace function dure.would_wait_for(p_ids uuid[], p_id uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive up as (
        select o as id from unnest(p_ids) o
        union
        select d.depends_on_id from up join dure.dependency d on d.job_id = up.id and not d.met
    )
    select exists (select from up where id = p_id)
$$;

-- Takes back all that dead workers held. A crash is counted where the job is known to have begun, or where that is
-- not known and it is the job's first: from then on the job is a suspect, runs apart, and its starts are recorded
-- (dure.mark_started), so that neighbours of a job that kills its process are not quarantined with it.
create or replace function dure.bury(p_workers bigint[], p_reason text default 'lease_lost') returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now   timestamptz := dure.now();
    v_held  uuid[];
    v_begun uuid[];
    v_ended uuid[];
begin
    update dure.worker set ended_at = v_now, end_reason = p_reason, listening = false, running = 0
    where worker_id = any (p_workers) and ended_at is null;
    select coalesce(array_agg(h.id), '{}'), coalesce(array_agg(h.id) filter (where h.begun or h.crash_count = 0), '{}')
    into v_held, v_begun
    from (select j.id, j.crash_count, j.id = any (c.started) as begun
          from dure.claim c cross join lateral unnest(c.job_ids) as i(id)
          join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
          where c.worker_id = any (p_workers) order by j.id for update of j) h;
    with taken as (
        update dure.job j set
            crash_count = j.crash_count + (j.id = any (v_begun))::integer,
            state = case when j.cancel_requested_at is not null then 'cancelled'
                         when j.crash_count + (j.id = any (v_begun))::integer >= 3 then 'quarantined' else 'pending' end,
            finished_at = case when j.cancel_requested_at is not null or j.crash_count + (j.id = any (v_begun))::integer >= 3 then v_now end,
            error_class = 'WorkerDied', error = format('worker %s died while it held this job', j.worker_id),
            run_at = null, claim_id = null
        where j.id = any (v_held)
        returning j.id, j.tenant_id, j.attempt, j.worker_id, j.started_at, j.state
    ), story as (
        insert into dure.attempt (job_id, attempt, tenant_id, worker_id, started_at, ended_at, outcome, error_class, error)
        select id, attempt, tenant_id, worker_id, started_at, v_now,
               case when id = any (v_begun) then 'crashed' else 'released' end, 'WorkerDied', null
        from taken on conflict do nothing
    )
    select coalesce(array_agg(id) filter (where state <> 'pending'), '{}') into v_ended from taken;
    delete from dure.claim where worker_id = any (p_workers);
    delete from dure.cancellation where job_id = any (v_held);
    perform dure.free_limits(v_held);
    perform dure.place(v_held);
    perform dure.after_end(v_ended);
    if cardinality(v_held) > 0 then
        perform dure.wake();
    end if;
    return cardinality(v_held);
end $$;

-- Any worker may do this; SKIP LOCKED lets them do it at the same time. After a restart of the database everyone
-- has one lease time to come back before anyone is taken for dead.
create or replace function dure.sweep() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_dead bigint[];
begin
    v_dead := array(
        select worker_id from dure.worker
        where ended_at is null and lease_until < dure.now()
          and clock_timestamp() > pg_postmaster_start_time() + make_interval(secs => lease_s)
        order by worker_id for update skip locked);
    -- And what one took that did not know yet that it was buried, or whose last claim came in after it had retired.
    v_dead := v_dead || array(
        select w.worker_id from dure.worker w
        where w.ended_at is not null and exists (select from dure.claim c where c.worker_id = w.worker_id)
        order by w.worker_id for update skip locked);
    if cardinality(v_dead) = 0 then
        return 0;
    end if;
    return dure.bury(v_dead);
end $$;

-- A suspect is about to start: written before it does.
create or replace function dure.mark_started(p_claim bigint, p_ids uuid[]) returns boolean
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with marked as (update dure.claim set started = started || p_ids where claim_id = p_claim returning 1)
    select exists (select from marked)
$$;

-- Moves jobs whose time has come into line, and ends pending ones whose deadline has passed. Answers how many it moved,
-- and when the next of either is due, so that a worker can sleep until then.
create or replace function dure.promote(p_most integer default 5000, out moved integer, out next_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now timestamptz := dure.now();
    v_ids uuid[];
begin
    moved := 0;
    if exists (select from dure.later where run_at <= v_now) then
        with due as (
            delete from dure.later where ctid = any (array(
                select ctid from dure.later where run_at <= v_now order by run_at limit p_most for update skip locked))
            returning job_id
        )
        select array_agg(job_id), count(*) into v_ids, moved from due;
        perform dure.place(v_ids);
    end if;
    if exists (select from dure.deadline where deadline_at <= v_now) then
        with due as (
            delete from dure.deadline where ctid = any (array(
                select ctid from dure.deadline where deadline_at <= v_now order by deadline_at limit p_most for update skip locked))
            returning job_id
        )
        select array_agg(job_id) into v_ids from due;
        perform dure.end_jobs(v_ids, 'failed', 'DeadlinePassed', 'the deadline passed before the job could start');
    end if;
    select min(t) into next_at from (
        (select run_at as t from dure.later order by run_at limit 1) union all
        (select deadline_at from dure.deadline order by deadline_at limit 1)) soon;
end $$;

grant execute on all functions in schema dure to dure_system;
