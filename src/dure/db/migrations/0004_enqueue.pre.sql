-- Asking for work: dure.enqueue for people, dure.enqueue_batch for programs. Callers hold no rights on the tables: these
-- functions are SECURITY DEFINER.

-- A hint for sleeping workers. NOTIFY takes a lock of the whole database at commit, so it is sent only while some
-- worker says that it sleeps; a busy fleet finds the job on its next claim.
create or replace function dure.wake() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from dure.worker where listening and ended_at is null) then
        perform pg_notify('dure_ready', '');
    end if;
end $$;

create or replace function dure.lane_of(p_tenant text, p_queue text, p_handler text) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_lane integer;
begin
    select lane_id into v_lane from dure.lane where tenant_id = p_tenant and handler = p_handler and queue = p_queue
    order by lane_id limit 1;
    if not found then
        insert into dure.lane (tenant_id, queue, handler) values (p_tenant, p_queue, p_handler) returning lane_id into v_lane;
    end if;
    return v_lane;
end $$;

-- Makes the limits of keys that were not used before, for a whole batch at once and in the order of the keys, so that two
-- batches cannot wait for each other. A limit that was not used for a day is marked as used first: dure.prune then
-- leaves it, or has removed it before the insert looks.
create or replace function dure.make_key_limits(p_tenant text, p_handler dure.handler, p_key text, p_params jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_keys text[];
begin
    v_keys := array(select distinct k.key from (
        select coalesce(p_key, e ->> p_handler.key_from) as key from jsonb_array_elements(p_params) e) k where k.key <> '' order by 1);
    if exists (select from unnest(v_keys) k where length(k) > 500) then
        perform dure.raise_error('out_of_range', coalesce('params.' || p_handler.key_from, 'limit_key'),
            'what limits go by must have 1 to 500 characters', '{"min": 1, "max": 500}');
    end if;
    update dure.limit l set used_at = dure.now() where l.limit_id = any (array(
        select o.limit_id from dure.limit o
        where o.tenant_id = p_tenant and o.handler = p_handler.handler and o.limit_key = any (v_keys)
          and o.used_at < dure.now() - interval '1 day' order by o.limit_key for update));
    insert into dure.limit (tenant_id, handler, limit_key, concurrency_max, rate_max, rate_period_s)
    select p_tenant, p_handler.handler, k, p_handler.key_concurrency_max, p_handler.key_rate_max, p_handler.key_rate_period_s
    from unnest(v_keys) k order by k
    on conflict do nothing;
end $$;

-- The limits that a job of this tenant, handler and key is under, the narrowest first: it waits in that one's line, so
-- that a line which cannot move now holds up no other.
create or replace function dure.limits_of(p_tenant text, p_handler dure.handler, p_key text) returns integer[]
language sql stable set search_path = pg_catalog, pg_temp as $$
    select array_agg(limit_id order by limit_key = '', tenant_id = '') from dure.limit
    where (tenant_id = '' and handler = p_handler.handler and limit_key = '')
       or (tenant_id = p_tenant and handler = '' and limit_key = '')
       or (tenant_id = p_tenant and handler = p_handler.handler and limit_key = p_key and p_key <> '')
$$;

-- Puts pending jobs that wait for no other job in line: later, held or ready. They must not stand in a line yet.
create or replace function dure.place(p_ids uuid[]) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    with job as materialized (
        select j.id, j.lane_id, (-j.priority)::smallint as rank, j.limit_ids[1] as limit_id, j.run_at,
               coalesce(j.run_at > (select dure.now()), false) as early
        from dure.job j where j.id = any (p_ids) and j.state = 'pending' and j.blocked_by = 0
    ), later as (
        insert into dure.later (run_at, job_id) select run_at, id from job where early
    ), held as (
        insert into dure.held (limit_id, rank, job_id, lane_id)
        select limit_id, rank, id, lane_id from job where not early and limit_id is not null
    ), due as (
        insert into dure.limit_due (due_at, limit_id)
        select distinct (select dure.now()), limit_id from job where not early and limit_id is not null
    )
    insert into dure.ready (lane_id, rank, first_id, ids)
    select lane_id, rank, min(id::text)::uuid, array_agg(id order by id)
    from (select lane_id, rank, id, (row_number() over (partition by lane_id, rank order by id) - 1) / 100 as bundle
          from job where not early and limit_id is null) line
    group by lane_id, rank, bundle
$$;

-- Of jobs wanted under unique keys: takes the keys that are free for them, answers who holds each of the rest. Keys are
-- taken in their order, so that two batches cannot wait for each other. A key that is held is only read: a lock on it
-- would hold up the end of its job until the caller commits. One that goes while we look is tried for again.
create or replace function dure.take_keys(p_tenant text, p_handler text, p_keys text[], p_ids uuid[], p_keep_s double precision)
returns table (ord integer, holder uuid) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_wanted  integer := (select count(k) from unnest(p_keys) k);
    v_ords    integer[];
    v_holders uuid[];
begin
    loop
        insert into dure.unique_key (tenant_id, handler, unique_key, job_id, keep_s)
        select distinct on (w.key) p_tenant, p_handler, w.key, w.id, p_keep_s
        from unnest(p_keys, p_ids) with ordinality as w(key, id, ord) where w.key is not null order by w.key, w.ord
        on conflict do nothing;
        perform from dure.unique_key u
        where u.tenant_id = p_tenant and u.handler = p_handler and u.unique_key = any (p_keys) and u.until <= dure.now()
        order by u.unique_key for update;
        update dure.unique_key u set job_id = w.id, keep_s = p_keep_s, until = null
        from (select distinct on (k.key) k.key, k.id from unnest(p_keys, p_ids) with ordinality as k(key, id, ord) order by k.key, k.ord) w
        where u.tenant_id = p_tenant and u.handler = p_handler and u.unique_key = w.key and u.until <= dure.now();
        select coalesce(array_agg(w.ord), '{}'), array_agg(u.job_id) into v_ords, v_holders
        from unnest(p_keys) with ordinality as w(key, ord)
        join dure.unique_key u on u.tenant_id = p_tenant and u.handler = p_handler and u.unique_key = w.key;
        exit when cardinality(v_ords) = v_wanted;
    end loop;
    return query select * from unnest(v_ords, v_holders);
end $$;

-- N jobs of one handler with the same options: ids in the order of p_params, and whether each is new (a repeated
-- unique key answers with the job that holds it). All or nothing, in a constant number of statements.
create or replace function dure.enqueue_batch(
    p_handler text, p_params jsonb, p_tenant text default null, p_options jsonb default '{}', p_unique_keys text[] default null,
    out ids uuid[], out created boolean[]
) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now      timestamptz := dure.now();
    v_tenant   text := dure.acting_tenant(p_tenant);
    v_handler  dure.handler;
    v_lane     integer;
    v_run_at   timestamptz;
    v_deadline timestamptz;
    v_depends  uuid[];
    v_parent   uuid;
    v_limited  boolean;
    v_plain    boolean;
    v_priority smallint;
    v_retries  smallint;
    v_timeout  real;
    v_tags     text[];
begin
    select * into v_handler from dure.handler h where h.handler = p_handler;
    if not found then
        perform dure.raise_error('unknown_handler', 'handler', format('there is no handler "%s"', left(p_handler, 200)),
                                 jsonb_build_object('handler', left(p_handler, 200)));
    end if;
    perform dure.check_params(v_handler.params_schema, p_params);
    if p_options <> '{}' then
        perform dure.check_options(p_options);
        v_run_at := dure.read_time(p_options, 'run_at');
        v_deadline := dure.read_time(p_options, 'deadline_at');
        v_depends := nullif(dure.read_ids(p_options, 'depends_on'), '{}');
        v_parent := (dure.read_ids(p_options, 'parent_id'))[1];
        v_run_at := coalesce(v_run_at, v_now + make_interval(secs => nullif((p_options ->> 'delay_s')::double precision, 0)));
        v_tags := array(select jsonb_array_elements_text(nullif(p_options -> 'tags', 'null')));
    end if;
    v_lane := dure.lane_of(v_tenant, coalesce(p_options ->> 'queue', v_handler.queue), p_handler);
    v_priority := coalesce((p_options ->> 'priority')::numeric::smallint, 0);
    v_retries := coalesce((p_options ->> 'max_retries')::numeric::smallint, v_handler.max_retries);
    v_timeout := coalesce((p_options ->> 'timeout_s')::real, v_handler.timeout_s);
    v_limited := v_handler.key_concurrency_max is not null or v_handler.key_rate_max is not null
              or exists (select from dure.limit l where l.limit_key = '' and l.tenant_id in ('', v_tenant) and l.handler in ('', p_handler)
                         and (l.concurrency_max is not null or l.rate_max is not null));
    v_plain := p_unique_keys is null and v_run_at is null and v_deadline is null and v_depends is null and not v_limited;
    if v_parent is not null and not exists (select from dure.job where id = v_parent and tenant_id = v_tenant) then
        perform dure.raise_error('not_found', 'parent_id', format('there is no job %s', v_parent), jsonb_build_object('what', 'job', 'id', v_parent));
    end if;

    if v_plain then
        with job as (
            insert into dure.job (tenant_id, handler, lane_id, priority, max_retries, timeout_s, created_at, parent_id, params, tags)
            select v_tenant, p_handler, v_lane, v_priority, v_retries, v_timeout, v_now, v_parent, e, v_tags
            from jsonb_array_elements(p_params) e
            returning id
        )
        select coalesce(array_agg(id), '{}') into ids from job;
        insert into dure.ready (lane_id, rank, first_id, ids)
        select v_lane, -v_priority, ids[i], ids[i:i + 99] from generate_series(1, cardinality(ids), 100) i;
        created := array_fill(true, array[cardinality(ids)]);
    else
        ids := array(select dure.uuid7() from generate_series(1, jsonb_array_length(p_params)));
        created := array_fill(true, array[cardinality(ids)]);
        if p_unique_keys is not null then
            perform dure.check_keys(p_unique_keys, jsonb_array_length(p_params));
            select array_agg(coalesce(k.holder, w.id) order by w.ord), array_agg(coalesce(k.holder = w.id, true) order by w.ord)
            into ids, created
            from unnest(ids) with ordinality as w(id, ord)
            left join dure.take_keys(v_tenant, p_handler, p_unique_keys, ids, coalesce((p_options ->> 'unique_for_s')::double precision, 0)) k
                   on k.ord = w.ord;
        end if;
        if v_handler.key_concurrency_max is not null or v_handler.key_rate_max is not null then
            perform dure.make_key_limits(v_tenant, v_handler, p_options ->> 'limit_key', p_params);
        end if;
        insert into dure.job (id, tenant_id, handler, lane_id, priority, max_retries, timeout_s, created_at, run_at, deadline_at,
                              linked, parent_id, params, limit_key, limit_ids, unique_key, tags)
        select w.id, v_tenant, p_handler, v_lane, v_priority, v_retries, v_timeout, v_now, v_run_at, v_deadline,
               u.unique_key is not null or v_deadline is not null or v_limited, v_parent, w.params, key.limit_key,
               case when v_limited then dure.limits_of(v_tenant, v_handler, key.limit_key) end, u.unique_key, v_tags
        from (select i.id, i.made, i.ord, e.params
              from unnest(ids, created) with ordinality as i(id, made, ord)
              join jsonb_array_elements(p_params) with ordinality as e(params, ord) using (ord)) w
        left join unnest(p_unique_keys) with ordinality as u(unique_key, ord) using (ord)
        cross join lateral (select nullif(coalesce(p_options ->> 'limit_key', w.params ->> v_handler.key_from), '') as limit_key) key
        where w.made order by w.ord;
        perform dure.check_repeats(ids, created, p_params);
        if v_deadline is not null then
            insert into dure.deadline (deadline_at, job_id) select v_deadline, i.id from unnest(ids, created) as i(id, made) where i.made;
        end if;
        if v_depends is not null then
            perform dure.depend_new(v_tenant, array(select i.id from unnest(ids, created) as i(id, made) where i.made), v_depends);
        else
            perform dure.place(array(select i.id from unnest(ids, created) as i(id, made) where i.made));
        end if;
    end if;
    perform dure.wake();
end $$;

-- A repeated key must ask for the same work: other parameters under it are a mistake, never silently dropped.
create or replace function dure.check_repeats(p_ids uuid[], p_created boolean[], p_params jsonb) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_bad record;
begin
    select j.id, j.unique_key into v_bad
    from unnest(p_ids, p_created) with ordinality as i(id, made, ord)
    join jsonb_array_elements(p_params) with ordinality as e(params, ord) using (ord)
    join dure.job j on j.id = i.id
    where not i.made and j.params <> e.params limit 1;
    if found then
        perform dure.raise_error('unique_key_mismatch', 'unique_key',
            format('job %s holds unique_key "%s" with other parameters', v_bad.id, v_bad.unique_key),
            jsonb_build_object('id', v_bad.id, 'unique_key', v_bad.unique_key));
    end if;
end $$;

-- Makes new jobs wait for others. Locking the others first, in order, means that none of them can end unseen.
create or replace function dure.depend_new(p_tenant text, p_ids uuid[], p_on uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_bad record;
begin
    if cardinality(p_ids) = 0 then
        return;
    end if;
    perform from dure.job where id = any (p_on) and tenant_id = p_tenant order by id for no key update;
    select o as id into v_bad from unnest(p_on) o
    where not exists (select from dure.job j where j.id = o and j.tenant_id = p_tenant) limit 1;
    if found then
        perform dure.raise_error('not_found', 'depends_on', format('there is no job %s', v_bad.id), jsonb_build_object('what', 'job', 'id', v_bad.id));
    end if;
    update dure.job set linked = true where id = any (p_on) and not linked and state in ('pending', 'processing');
    insert into dure.dependency (job_id, depends_on_id, met)
    select i, j.id, j.state = 'completed' from unnest(p_ids) i cross join dure.job j where j.id = any (p_on)
    on conflict do nothing;
    update dure.job j set blocked_by = (select count(*) from dure.dependency d where d.job_id = j.id and not d.met)
    where id = any (p_ids);
    if exists (select from dure.job where id = any (p_on) and state in ('failed', 'cancelled', 'quarantined')) then
        perform dure.after_end(dure.end_pending(p_ids, 'cancelled', 'DependencyFailed', null));
    else
        perform dure.place(p_ids);
    end if;
end $$;

-- For people and for any client of SQL: one job, its options by name.
--   select dure.enqueue('dure.demo.echo', '{"n": 1}', tenant_id => 'acme', priority => 5);
create or replace function dure.enqueue(
    handler text, params jsonb default '{}', tenant_id text default null, queue text default null, priority integer default null,
    run_at timestamptz default null, delay_s double precision default null, deadline_at timestamptz default null,
    max_retries integer default null, timeout_s double precision default null, unique_key text default null,
    unique_for_s double precision default null, depends_on uuid[] default null, parent_id uuid default null,
    tags text[] default null, limit_key text default null
) returns uuid language sql set search_path = pg_catalog, pg_temp as $$
    select (dure.enqueue_batch(
        handler, jsonb_build_array(params), tenant_id,
        jsonb_strip_nulls(jsonb_build_object(
            'queue', queue, 'priority', priority, 'run_at', run_at, 'delay_s', delay_s, 'deadline_at', deadline_at,
            'max_retries', max_retries, 'timeout_s', timeout_s, 'unique_for_s', unique_for_s, 'depends_on', depends_on,
            'parent_id', parent_id, 'tags', tags, 'limit_key', limit_key)),
        case when unique_key is not null then array[unique_key] end)).ids[1]
$$;

grant execute on function dure.enqueue, dure.enqueue_batch to dure_app, dure_system;
