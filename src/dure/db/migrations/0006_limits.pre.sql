-- Jobs under limits are claimed here, by one caller at a time; all others by queue/sql/claim.sql.

-- How many more jobs may start under a limit now, and when that may change by time alone.
create or replace function dure.capacity(p_limit integer, p_now timestamptz, out free integer, out again_at timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_limit dure.limit;
    v_since timestamptz;
begin
    select * into v_limit from dure.limit l where l.limit_id = p_limit;
    free := 1000000;
    if v_limit.concurrency_max is not null then
        free := v_limit.concurrency_max - (select count(*) from dure.running r where r.limit_id = p_limit);
    end if;
    if v_limit.rate_max is not null then
        v_since := p_now - make_interval(secs => v_limit.rate_period_s);
        delete from dure.limit_start s where s.limit_id = p_limit and s.at <= v_since;
        free := least(free, v_limit.rate_max - (select count(*) from dure.limit_start s where s.limit_id = p_limit));
        if free <= 0 then
            select min(s.at) + make_interval(secs => v_limit.rate_period_s) into again_at
            from dure.limit_start s where s.limit_id = p_limit;
        end if;
    end if;
end $$;

-- Claims up to p_most jobs that are under limits. One caller at a time in the whole database (the advisory lock is
-- tried, never waited for), so that what it counts cannot change under it: starts are only ever added here, and
-- whatever ends meanwhile only frees capacity.
-- Within a limit's line tenants take turns, and each tenant's jobs go by priority and age, as in sql/claim.sql.
create or replace function dure.claim_limited(p_worker bigint, p_queues text[], p_shunned integer[], p_most integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now   timestamptz;
    v_due   record;
    v_job   record;
    v_room  record;
    v_other integer;
    v_taken uuid[] := '{}';
    v_moved integer[] := '{}';
    v_stay  tid[] := '{}';
    v_most  integer;
    v_moves integer;
    v_shut  integer[];
    v_back  integer[] := '{}';
    v_seen  integer := 0;
    v_turn  text;
    v_count integer;
    v_claim bigint;
begin
    if not pg_try_advisory_xact_lock(hashtext('dure.claim_limited'))
       or not exists (select from dure.worker where worker_id = p_worker and ended_at is null) then
        return null;
    end if;
    v_now := dure.now();
    for v_due in select limit_id, array_agg(ctid) as rows from dure.limit_due where due_at <= v_now
                 group by limit_id order by min(due_at), limit_id limit 500 loop
        exit when cardinality(v_taken) >= p_most;
        v_seen := v_seen + 1;
        v_count := cardinality(v_taken);
        select * into v_room from dure.capacity(v_due.limit_id, v_now);
        v_turn := (select turn from dure.limit where limit_id = v_due.limit_id);
        -- Again when some of what was looked at went to other lines, so that it does not hide what stands behind it.
        for v_round in 1..10 loop
            v_most := greatest(least(v_room.free, p_most - cardinality(v_taken)), 0);
            v_moves := 0;
            v_shut := '{}';
            for v_job in
                with recursive walk as (
                    (select h.lane_id from dure.held h where h.limit_id = v_due.limit_id and v_most > 0 order by h.lane_id limit 1)
                    union all
                    select n.lane_id from walk w cross join lateral (
                        select h.lane_id from dure.held h
                        where h.limit_id = v_due.limit_id and h.lane_id > w.lane_id order by h.lane_id limit 1) n
                ), open as materialized (
                    select w.lane_id, l.tenant_id from walk w join dure.lane l on l.lane_id = w.lane_id
                    join dure.handler d on d.handler = l.handler left join dure.queue q on q.queue = l.queue
                    where d.paused_at is null and q.paused_at is null
                      and (cardinality(p_queues) = 0 or l.queue = any (p_queues)) and w.lane_id <> all (p_shunned)
                      and not exists (select from dure.held e where e.from_id = v_due.limit_id and e.lane_id = w.lane_id)
                ), found as materialized (
                    select h.place, h.from_id, h.job_id, o.lane_id, o.tenant_id,
                           row_number() over (partition by o.tenant_id order by h.rank, h.job_id) as nth
                    from open o cross join lateral (
                        select held.ctid as place, held.from_id, held.rank, held.job_id from dure.held
                        where held.limit_id = v_due.limit_id and held.lane_id = o.lane_id
                        order by held.rank, held.job_id limit v_most for update skip locked) h
                )
                select f.place, f.from_id, f.job_id, f.lane_id, f.tenant_id, j.limit_ids,
                       j.state = 'pending' and j.blocked_by = 0 and coalesce(j.run_at <= v_now, true) as waits
                from found f join dure.job j on j.id = f.job_id
                order by f.nth, f.tenant_id <= v_turn, f.tenant_id limit v_most
            loop
                -- A place whose job has ended while it moved from line to line.
                if not v_job.waits then
                    delete from dure.held where ctid = v_job.place;
                    v_back := v_back || v_job.from_id;
                    v_moves := v_moves + 1;
                    continue;
                elsif v_job.lane_id = any (v_shut) and v_job.from_id is null then
                    continue;
                end if;
                -- Under several limits, all must have room; else it waits in the line of the one that has none.
                v_other := null;
                for v_other in select o from unnest(v_job.limit_ids) o where o <> v_due.limit_id loop
                    exit when (select free from dure.capacity(v_other, v_now)) <= 0;
                    v_other := null;
                end loop;
                if v_other is not null then
                    update dure.held set limit_id = v_other,
                        from_id = case when v_other <> v_job.from_id then v_job.from_id when v_job.from_id is null then v_due.limit_id end
                    where ctid = v_job.place;
                    v_moved := v_moved || v_other;
                    v_shut := v_shut || v_job.lane_id;
                    v_moves := v_moves + 1;
                    continue;
                end if;
                delete from dure.held where ctid = v_job.place;
                v_back := v_back || v_job.from_id;
                insert into dure.running (limit_id, job_id) select o, v_job.job_id from unnest(v_job.limit_ids) o;
                insert into dure.limit_start (limit_id, at)
                select l.limit_id, v_now from dure.limit l where l.limit_id = any (v_job.limit_ids) and l.rate_max is not null;
                v_taken := v_taken || v_job.job_id;
                v_turn := v_job.tenant_id;
            end loop;
            exit when v_moves = 0;
            select * into v_room from dure.capacity(v_due.limit_id, v_now);
        end loop;
        update dure.limit set used_at = v_now, turn = v_turn
        where limit_id = v_due.limit_id and (used_at < v_now - interval '1 day' or turn <> v_turn);
        -- The mark stays while there is both room and a line, for this worker's next turn or for another's; one that
        -- was served goes behind those that were not.
        select * into v_room from dure.capacity(v_due.limit_id, v_now);
        if v_room.free <= 0 or not exists (select from dure.held where limit_id = v_due.limit_id) then
            delete from dure.limit_due where ctid = any (v_due.rows);
            insert into dure.limit_due (due_at, limit_id)
            select v_room.again_at, v_due.limit_id where v_room.again_at is not null
              and exists (select from dure.held where limit_id = v_due.limit_id);
        elsif cardinality(v_taken) > v_count then
            delete from dure.limit_due where ctid = any (v_due.rows);
            insert into dure.limit_due (due_at, limit_id) values (v_now, v_due.limit_id);
        else
            v_stay := v_stay || v_due.rows;
        end if;
    end loop;
    if v_seen = 500 then
        -- Lines that nobody may serve now must not keep the view on those behind them.
        update dure.limit_due set due_at = v_now where ctid = any (v_stay);
    end if;
    insert into dure.limit_due (due_at, limit_id)
    select c.again_at, o from (select distinct unnest(v_moved) as o) m cross join lateral dure.capacity(o, v_now) c
    where c.again_at is not null
    union all
    select v_now, o from (select distinct unnest(v_back) as o) b where o is not null;
    if cardinality(v_taken) > 0 then
        insert into dure.claim (worker_id, job_ids) values (p_worker, v_taken) returning claim_id into v_claim;
        update dure.job set state = 'processing', claim_id = v_claim, worker_id = p_worker, started_at = v_now, attempt = attempt + 1
        where id = any (v_taken) and state = 'pending';
    end if;
    return v_claim;
end $$;

grant execute on all functions in schema dure to dure_system;
