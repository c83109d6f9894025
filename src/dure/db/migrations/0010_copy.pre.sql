-- Asking for very many jobs by COPY: the rows go straight into dure.job, which only the tables' owner may do (COPY and
-- row-level security do not go together). What dure.enqueue_batch would check is checked here, before the rows come.

create or replace function dure.prepare_copy(
    p_handler text, p_tenant text, p_options jsonb,
    out lane_id integer, out priority smallint, out max_retries smallint, out timeout_s real, out parent_id uuid, out made_at timestamptz
) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant  text := dure.acting_tenant(p_tenant);
    v_handler dure.handler;
    v_name    text;
begin
    select * into v_handler from dure.handler h where h.handler = p_handler;
    if not found then
        perform dure.raise_error('unknown_handler', 'handler', format('there is no handler "%s"', left(p_handler, 200)),
                                 jsonb_build_object('handler', left(p_handler, 200)));
    elsif v_handler.params_schema is not null or v_handler.key_concurrency_max is not null or v_handler.key_rate_max is not null
       or exists (select from dure.limit l where l.limit_key = '' and l.tenant_id in ('', v_tenant) and l.handler in ('', p_handler)) then
        perform dure.raise_error('refused', 'handler', 'this handler declares parameters or limits: use enqueue_batch');
    end if;
    perform dure.check_options(p_options);
    select key into v_name from jsonb_object_keys(p_options) key
    where key not in ('queue', 'priority', 'max_retries', 'timeout_s', 'parent_id') limit 1;
    if found then
        perform dure.raise_error('refused', v_name, v_name || ' is not to be had with copy: use enqueue_batch');
    end if;
    lane_id := dure.lane_of(v_tenant, coalesce(p_options ->> 'queue', v_handler.queue), p_handler);
    priority := coalesce((p_options ->> 'priority')::smallint, 0);
    max_retries := coalesce((p_options ->> 'max_retries')::smallint, v_handler.max_retries);
    timeout_s := coalesce((p_options ->> 'timeout_s')::real, v_handler.timeout_s);
    parent_id := (dure.read_ids(p_options, 'parent_id'))[1];
    made_at := dure.now();
end $$;

-- Puts copied jobs in line, in the order of their ids.
create or replace function dure.finish_copy(p_lane integer, p_priority smallint, p_ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    insert into dure.ready (lane_id, rank, first_id, ids)
    select p_lane, -p_priority, p_ids[i], p_ids[i:i + 99] from generate_series(1, cardinality(p_ids), 100) i;
    perform dure.wake();
end $$;

grant execute on all functions in schema dure to dure_system;
