-- Tasks of agents: whom they need, who is chosen, who takes them, how they end. Their tables are in 0015_agents.

-- The row of a need; the same wish is the same row.
create or replace function dure.need_of(p_tenant text, p_class text, p_capabilities text[], p_agent text, p_tree text, p_not text[]) returns dure.need
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_caps text[] := array(select distinct c from unnest(p_capabilities) c order by c);
    v_not  text[] := array(select distinct n from unnest(p_not) n order by n);
    v_key  text;
    v_need dure.need;
begin
    -- What names one agent asks for nothing else of it.
    if p_agent is not null then
        v_caps := '{}';
        v_not := '{}';
        p_class := null;
        p_tree := null;
    end if;
    v_key := jsonb_build_array(p_agent, p_class, p_tree, to_jsonb(v_caps), to_jsonb(v_not))::text;
    if length(v_key) > 500 then
        v_key := encode(sha256(convert_to(v_key, 'UTF8')), 'hex');
    end if;
    select * into v_need from dure.need where tenant_id = p_tenant and key = v_key;
    if not found then
        insert into dure.need (tenant_id, key, anchor, class, capabilities, agent_id, tree, not_agents)
        values (p_tenant, v_key,
                case when p_agent is not null then 'agent:' || p_agent when cardinality(v_caps) > 0 then 'cap:' || v_caps[1]
                     when p_class is not null then 'class:' || p_class when p_tree is not null then 'tree:' || p_tree else 'any' end,
                p_class, v_caps, p_agent, p_tree, v_not)
        on conflict (tenant_id, key) do nothing;
        select * into v_need from dure.need where tenant_id = p_tenant and key = v_key;
    end if;
    return v_need;
end $$;

-- What a need can be anchored to, for one agent.
create or replace function dure.anchors_of(p_agent dure.agent) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array['any', 'agent:' || p_agent.agent_id, 'class:' || p_agent.class]
        || array(select 'cap:' || c from unnest(p_agent.capabilities) c) || array(select 'tree:' || t from unnest(p_agent.trees) t)
$$;

create or replace function dure.meets(p_agent dure.agent, p_need dure.need) returns boolean
language sql immutable as $$
    select (p_need.class is null or p_need.class = p_agent.class) and p_need.capabilities <@ p_agent.capabilities
       and (p_need.agent_id is null or p_need.agent_id = p_agent.agent_id)
       and (p_need.tree is null or p_need.tree = any (p_agent.trees)) and p_agent.agent_id <> all (p_need.not_agents)
$$;

-- Up to a hundred agents that could do what is needed, each with its score, lowest first, and why one is out of the question.
-- Of more than a hundred it looks at a part that the seed picks, so that not all of many tasks see the same hundred; with p_any,
-- where nobody is chosen and they are only told, at the first twenty that it meets, of ten thousand too.
create or replace function dure.candidates(p_need dure.need, p_seed text, p_any boolean default false)
returns table (agent_id text, state text, score double precision, in_hand integer, waiting integer, capacity integer, reason text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with part as materialized (
        select agent from (
            select a as agent from dure.agent a
            where a.tenant_id = (p_need).tenant_id and a.epoch is not null
              and ((p_need).class is null or a.class = (p_need).class) and a.capabilities @> (p_need).capabilities
              and ((p_need).agent_id is null or a.agent_id = (p_need).agent_id) and ((p_need).tree is null or a.trees @> array[(p_need).tree])
            limit case when p_any then 20 end) able
        order by hashtextextended((agent).agent_id || p_seed, 0) limit 100
    ), weighed as (
        select (agent).agent_id, (agent).capacity, dure.agent_state(agent) as state, (agent).hold is not null as on_hold,
               (agent).agent_id = any ((p_need).not_agents) as in_chain,
               (select count(*)::integer from dure.claim c where c.worker_id = (agent).epoch) as in_hand,
               (select coalesce(sum(cardinality(r.ids)), 0)::integer
                from dure.need n join dure.lane l on l.tenant_id = n.tenant_id and l.queue = n.queue and l.lane_id < 0
                join dure.ready r on r.lane_id = l.lane_id
                where n.tenant_id = (agent).tenant_id and n.anchor = 'agent:' || (agent).agent_id) as waiting
        from part
    )
    select w.agent_id, w.state, (w.in_hand + w.waiting)::double precision / w.capacity, w.in_hand, w.waiting, w.capacity,
           case when w.in_chain then 'in_chain' when w.state <> 'alive' then w.state when w.on_hold then 'on_hold' end as reason
    from weighed w
    order by reason nulls first, 3, hashtextextended(w.agent_id || p_seed, 1)
$$;

-- Whether an agent would be given work that needs this, now.
create or replace function dure.would_do(p_agent dure.agent, p_need dure.need) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select dure.meets(p_agent, p_need) and p_agent.hold is null and dure.agent_state(p_agent) = 'alive'
$$;

-- Chooses by a strategy. Without p_do it only says whom it would choose, and changes nothing.
create or replace function dure.choose(p_need dure.need, p_strategy text, p_key text, p_seed text, p_do boolean,
                                       out chosen text, out reason jsonb, out candidates jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_turn  text;
    v_best  text;
    v_bound text;
begin
    select coalesce(jsonb_agg(to_jsonb(c) order by c.n) filter (where c.n <= 20), '[]'), min(c.agent_id) filter (where c.n = 1 and c.reason is null)
    into candidates, v_best
    from (select row_number() over () as n, d.* from dure.candidates(p_need, p_seed, p_strategy = 'first_come') d) c;
    candidates := (select coalesce(jsonb_agg(jsonb_strip_nulls(e - 'n')), '[]') from jsonb_array_elements(candidates) e);
    if p_strategy = 'direct' then
        chosen := p_need.agent_id;
        reason := jsonb_build_object('code', 'named');
    elsif p_strategy = 'first_come' then
        reason := jsonb_build_object('code', 'first_come');
    elsif v_best is null then
        reason := jsonb_build_object('code', 'no_candidate');
    elsif p_strategy = 'round_robin' then
        if p_do then
            select turn into v_turn from dure.need where need_id = p_need.need_id for no key update;
        else
            v_turn := p_need.turn;
        end if;
        select a.agent_id into chosen from dure.agent a
        where a.tenant_id = p_need.tenant_id and a.epoch is not null and a.agent_id > v_turn and dure.would_do(a, p_need) order by a.agent_id limit 1;
        if chosen is null then
            select a.agent_id into chosen from dure.agent a
            where a.tenant_id = p_need.tenant_id and a.epoch is not null and dure.would_do(a, p_need) order by a.agent_id limit 1;
        end if;
        if p_do then
            update dure.need set turn = chosen where need_id = p_need.need_id;
        end if;
        reason := jsonb_build_object('code', 'next_in_turn', 'after', v_turn);
    elsif p_strategy = 'sticky' then
        select s.agent_id into v_bound from dure.sticky s where s.tenant_id = p_need.tenant_id and s.need_id = p_need.need_id and s.key = p_key;
        if v_bound is not null and exists (select from dure.agent a where a.tenant_id = p_need.tenant_id and a.agent_id = v_bound and dure.would_do(a, p_need)) then
            chosen := v_bound;
            reason := jsonb_build_object('code', 'bound_to_key', 'key', p_key);
        else
            chosen := v_best;
            reason := jsonb_build_object('code', 'newly_bound', 'key', p_key, 'was', v_bound);
        end if;
        if p_do then
            insert into dure.sticky (tenant_id, need_id, key, agent_id) values (p_need.tenant_id, p_need.need_id, p_key, chosen)
            on conflict (tenant_id, need_id, key) do update set agent_id = excluded.agent_id, used_at = dure.now();
        end if;
    else
        chosen := v_best;
        reason := jsonb_build_object('code', 'least_loaded');
    end if;
end $$;

-- What is asked for, read and checked: which need, which strategy, which tasks stand above.
create or replace function dure.read_wish(p_tenant text, p_task jsonb, out need dure.need, out strategy text, out depth integer, out chain text[],
                                          out parent dure.job, out from_agent text, out trace_id text, out root_id uuid)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_agent text := p_task ->> 'agent';
    v_above dure.task;
    v_name  text;
begin
    select k into v_name from jsonb_object_keys(p_task) k
    where k not in ('params', 'handler', 'title', 'class', 'capabilities', 'agent', 'tree', 'strategy', 'sticky_key', 'from_agent', 'trace_id', 'unique_key',
                    'parent_id', 'depends_on', 'deadline_at', 'run_at', 'delay_s', 'timeout_s', 'priority', 'max_retries', 'unique_for_s', 'tags') limit 1;
    if found then
        perform dure.raise_error('unknown_field', v_name, v_name || ' is not a field of a task');
    end if;
    strategy := coalesce(p_task ->> 'strategy', case when v_agent is null then 'first_come' else 'direct' end);
    if strategy not in ('direct', 'least_loaded', 'round_robin', 'sticky', 'broadcast', 'first_come') then
        perform dure.raise_error('not_one_of', 'strategy', format('there is no strategy "%s"', left(strategy, 100)),
                                 '{"expected": "direct, least_loaded, round_robin, sticky, broadcast, first_come"}');
    elsif (v_agent is null) = (strategy = 'direct') then
        perform dure.raise_error(case when v_agent is null then 'missing' else 'not_one_of' end, case when v_agent is null then 'agent' else 'strategy' end,
                                 'the strategy "direct" names an agent, and no other does', '{"expected": "direct"}');
    elsif (strategy = 'sticky') <> (p_task ->> 'sticky_key' is not null) then
        perform dure.raise_error('missing', 'sticky_key', 'the strategy "sticky" goes by a sticky_key, and no other does');
    elsif length(p_task ->> 'sticky_key') not between 1 and 500 then
        perform dure.raise_error('out_of_range', 'sticky_key', 'sticky_key must have 1 to 500 characters', '{"min": 1, "max": 500}');
    elsif length(p_task ->> 'title') > 500 then
        perform dure.raise_error('out_of_range', 'title', 'title must have at most 500 characters', '{"min": 0, "max": 500}');
    elsif jsonb_typeof(coalesce(nullif(p_task -> 'capabilities', 'null'), '[]')) <> 'array'
          or jsonb_array_length(coalesce(nullif(p_task -> 'capabilities', 'null'), '[]')) > 20 then
        perform dure.raise_error('wrong_type', 'capabilities', 'capabilities are up to 20 names', '{"expected": "array"}');
    end if;
    depth := 0;
    chain := '{}';
    if p_task ->> 'parent_id' is not null then
        select * into parent from dure.job j where j.id = (dure.read_ids(p_task, 'parent_id'))[1] and j.tenant_id = p_tenant;
        if not found then
            perform dure.raise_error('not_found', 'parent_id', format('there is no job %s', p_task ->> 'parent_id'),
                                     jsonb_build_object('what', 'job', 'id', p_task ->> 'parent_id'));
        elsif parent.state not in ('pending', 'processing') or parent.cancel_requested_at is not null then
            perform dure.raise_error('conflict', 'parent_id', format('task %s has ended, or is about to', parent.id),
                                     jsonb_build_object('reason', 'parent_ended', 'id', parent.id));
        end if;
        select * into v_above from dure.task t where t.job_id = parent.id;
        if found then
            depth := v_above.depth + 1;
            chain := v_above.chain || coalesce(v_above.agent_id, '{}');
        end if;
    end if;
    if depth > 10 then
        perform dure.raise_error('conflict', 'parent_id', 'a chain of tasks may be ten deep', jsonb_build_object('reason', 'delegation_too_deep', 'most', 10));
    elsif v_agent = any (chain) then
        perform dure.raise_error('conflict', 'agent', format('agent %s waits for this task itself', v_agent),
                                 jsonb_build_object('reason', 'delegation_loop', 'agent', v_agent));
    elsif v_agent is not null and not exists (select from dure.agent a where a.tenant_id = p_tenant and a.agent_id = v_agent) then
        perform dure.raise_error('not_found', 'agent', format('there is no agent %s', v_agent), jsonb_build_object('what', 'agent', 'id', v_agent));
    elsif exists (select from dure.agent a where a.tenant_id = p_tenant and a.agent_id = v_agent and (a.retired_at is not null or a.reaped_at is not null)) then
        perform dure.raise_error('conflict', 'agent', format('agent %s is gone', v_agent), jsonb_build_object('reason', 'agent_gone', 'agent', v_agent));
    end if;
    from_agent := coalesce(p_task ->> 'from_agent', v_above.agent_id);
    trace_id := coalesce(p_task ->> 'trace_id', v_above.trace_id);
    root_id := coalesce(v_above.root_id, parent.id);
    need := dure.need_of(p_tenant, p_task ->> 'class',
                         array(select jsonb_array_elements_text(coalesce(nullif(p_task -> 'capabilities', 'null'), '[]'))), v_agent, p_task ->> 'tree', chain);
end $$;

-- Asks for tasks: one transaction, all or none. Answers their ids in order, and whether each is new.
create or replace function dure.submit_tasks(p_tenant text, p_tasks jsonb, p_actor text, out ids uuid[], out created boolean[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- What each task has to itself; all else is what it asks for.
    c_own    constant text[] := '{params,title,priority,timeout_s,max_retries,tags,unique_key}';
    v_tenant text := dure.acting_tenant(p_tenant);
    v_task   jsonb;
    v_before jsonb;
    v_asks   jsonb;
    v_wish   record;
    v_pick   record;
    v_choice bigint;
    v_lane   integer;
    v_id     uuid;
    v_new    boolean;
    v_place  uuid[] := '{}';
    v_alike  boolean := false;
    v_how    text;
    v_run    record;
    v_made   uuid[];
begin
    ids := '{}';
    created := '{}';
    -- Runs of tasks that ask for the same, in their order.
    for v_run in
        select array_agg(value order by n) as tasks,
               count(*) > 1 and not bool_or(value ?| '{depends_on,unique_key}')
               and coalesce(min(asks ->> 'strategy'), 'first_come') in ('first_come', 'direct') as is_plain
        from (select value, n, asks, n - row_number() over (partition by asks order by n) as run
              from (select value, n, value - c_own as asks from jsonb_array_elements(p_tasks) with ordinality as t(value, n)) each_one) placed
        group by asks, run order by min(n)
    loop
    if v_run.is_plain then
        v_made := dure.submit_alike(v_tenant, v_run.tasks, p_actor);
        v_place := v_place || v_made;
        ids := ids || v_made;
        created := created || array_fill(true, array[cardinality(v_made)]);
        v_before := null;
        continue;
    end if;
    foreach v_task in array v_run.tasks loop
        v_asks := v_task - c_own;
        -- What asks for the same and leaves the choice to whoever comes is looked at once.
        v_alike := coalesce(v_asks = v_before and v_how in ('first_come', 'direct'), false);
        if not v_alike then
            v_wish := dure.read_wish(v_tenant, v_task);
            v_how := v_wish.strategy;
        end if;
        v_id := dure.uuid7();
        if v_how = 'broadcast' then
            perform dure.submit_broadcast(v_tenant, v_task, p_actor, v_id, v_wish.need);
            v_new := true;
        else
            if not v_alike then
                v_pick := dure.choose(v_wish.need, v_wish.strategy, v_task ->> 'sticky_key', v_id::text, true);
                insert into dure.choice (tenant_id, job_id, strategy, chosen, reason, candidates)
                values (v_tenant, case when v_wish.strategy not in ('first_come', 'direct') then v_id end, v_wish.strategy, v_pick.chosen, v_pick.reason, v_pick.candidates)
                returning choice_id into v_choice;
                v_lane := dure.lane_of(v_tenant, case when v_pick.chosen is null then (v_wish.need).queue
                    else (dure.need_of(v_tenant, null, '{}', v_pick.chosen, null, '{}')).queue end, dure.handler_of(v_task));
            end if;
            select * into v_id, v_new from dure.make_task(v_tenant, v_task, p_actor, v_id, v_lane, v_wish.parent);
            if v_new then
                insert into dure.task (job_id, tenant_id, need_id, choice_id, strategy, sticky_key, agent_id, from_agent, title, trace_id, depth, chain, root_id, created_by)
                values (v_id, v_tenant, (v_wish.need).need_id, v_choice, v_wish.strategy, v_task ->> 'sticky_key', v_pick.chosen, v_wish.from_agent,
                        coalesce(v_task ->> 'title', ''), coalesce(v_wish.trace_id, replace(v_id::text, '-', '')), v_wish.depth, v_wish.chain,
                        coalesce(v_wish.root_id, v_id), p_actor);
                if v_task -> 'depends_on' is null then
                    v_place := v_place || v_id;
                end if;
            end if;
        end if;
        v_before := v_asks;
        ids := ids || v_id;
        created := created || v_new;
    end loop;
    end loop;
    perform dure.place(v_place);
    if true = any (created) then
        -- Last, because a channel's row is held from here to the end.
        perform dure.publish(v_tenant, 'tasks.distribution', jsonb_build_object('event', 'submitted', 'count', cardinality(ids), 'tasks', to_jsonb(ids[:20])),
                             null, 'event');
    end if;
end $$;

-- Tasks that ask for the same, of whoever comes or of one agent: what they need is looked at once, and they are written together.
-- Not in line yet. Answers their ids, in order.
create or replace function dure.submit_alike(p_tenant text, p_tasks jsonb[], p_actor text) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- The longest title is read with it.
    v_first    jsonb := (select t from unnest(p_tasks) t order by length(t ->> 'title') desc nulls last limit 1);
    v_wish     record := dure.read_wish(p_tenant, v_first);
    v_ids      uuid[] := array(select id from (select dure.uuid7() as id from generate_series(1, cardinality(p_tasks))) made order by id);
    v_handler  dure.handler;
    v_pick     record;
    v_choice   bigint;
    v_lane     integer;
    v_run_at   timestamptz;
    v_deadline timestamptz;
begin
    select * into v_handler from dure.handler h where h.handler = dure.handler_of(v_first);
    perform dure.check_params(v_handler.params_schema, to_jsonb(array(select coalesce(t -> 'params', '{}') from unnest(p_tasks) t)));
    perform dure.check_options(o.options) from (select distinct dure.options_of(t) as options from unnest(p_tasks) t) o;
    v_run_at := dure.run_at_of(v_first);
    v_deadline := least(dure.read_time(v_first, 'deadline_at'), (v_wish.parent).deadline_at);
    v_pick := dure.choose(v_wish.need, v_wish.strategy, null, v_ids[1]::text, true);
    insert into dure.choice (tenant_id, strategy, chosen, reason, candidates)
    values (p_tenant, v_wish.strategy, v_pick.chosen, v_pick.reason, v_pick.candidates) returning choice_id into v_choice;
    v_lane := dure.lane_of(p_tenant, (v_wish.need).queue, v_handler.handler);
    insert into dure.job (id, tenant_id, handler, lane_id, priority, max_retries, timeout_s, run_at, deadline_at, linked, parent_id, params, tags)
    select u.id, p_tenant, v_handler.handler, v_lane, coalesce((u.task ->> 'priority')::numeric::smallint, 0),
           coalesce((u.task ->> 'max_retries')::numeric::smallint, v_handler.max_retries), coalesce((u.task ->> 'timeout_s')::real, v_handler.timeout_s),
           v_run_at, v_deadline, v_deadline is not null, (v_wish.parent).id, coalesce(u.task -> 'params', '{}'),
           array(select jsonb_array_elements_text(nullif(u.task -> 'tags', 'null')))
    from unnest(v_ids, p_tasks) as u(id, task);
    insert into dure.deadline (deadline_at, job_id) select v_deadline, id from unnest(v_ids) id where v_deadline is not null;
    insert into dure.task (job_id, tenant_id, need_id, choice_id, strategy, agent_id, from_agent, title, trace_id, depth, chain, root_id, created_by)
    select u.id, p_tenant, (v_wish.need).need_id, v_choice, v_wish.strategy, v_pick.chosen, v_wish.from_agent, coalesce(u.task ->> 'title', ''),
           coalesce(v_wish.trace_id, replace(u.id::text, '-', '')), v_wish.depth, v_wish.chain, coalesce(v_wish.root_id, u.id), p_actor
    from unnest(v_ids, p_tasks) as u(id, task);
    return v_ids;
end $$;

-- Of a task, what is an option of its job.
create or replace function dure.options_of(p_task jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select p_task - '{params,handler,title,class,capabilities,agent,tree,strategy,sticky_key,from_agent,trace_id,unique_key}'::text[]
$$;

create or replace function dure.run_at_of(p_options jsonb) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(dure.read_time(p_options, 'run_at'), dure.now() + make_interval(secs => nullif((p_options ->> 'delay_s')::double precision, 0)))
$$;

create or replace function dure.handler_of(p_task jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_name text := coalesce(p_task ->> 'handler', 'dure.task');
begin
    if not exists (select from dure.handler h where h.handler = v_name) then
        perform dure.raise_error('unknown_handler', 'handler', format('there is no handler "%s"', left(v_name, 200)),
                                 jsonb_build_object('handler', left(v_name, 200)));
    end if;
    return v_name;
end $$;

-- The job of a task. A deadline of what stands above holds for it too. Not in line yet, but where it waits for other jobs.
create or replace function dure.make_task(p_tenant text, p_task jsonb, p_actor text, p_id uuid, p_lane integer, p_parent dure.job, out id uuid, out is_new boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_options  jsonb := dure.options_of(p_task);
    v_handler  dure.handler;
    v_params   jsonb := coalesce(p_task -> 'params', '{}');
    v_key      text := p_task ->> 'unique_key';
    v_deadline timestamptz;
    v_run_at   timestamptz;
    v_depends  uuid[];
begin
    select * into v_handler from dure.handler h where h.handler = dure.handler_of(p_task);
    perform dure.check_params(v_handler.params_schema, jsonb_build_array(v_params));
    perform dure.check_options(v_options);
    v_deadline := least(dure.read_time(v_options, 'deadline_at'), p_parent.deadline_at);
    v_run_at := dure.run_at_of(v_options);
    v_depends := nullif(dure.read_ids(v_options, 'depends_on'), '{}');
    id := p_id;
    is_new := true;
    if v_key is not null then
        perform dure.check_keys(array[v_key], 1);
        select coalesce(k.holder, p_id) into id
        from dure.take_keys(p_tenant, v_handler.handler, array[v_key], array[p_id], coalesce((v_options ->> 'unique_for_s')::double precision, 0)) k;
        is_new := id = p_id;
    end if;
    if is_new then
        insert into dure.job (id, tenant_id, handler, lane_id, priority, max_retries, timeout_s, run_at, deadline_at, linked, parent_id, params, unique_key, tags)
        values (id, p_tenant, v_handler.handler, p_lane, coalesce((v_options ->> 'priority')::numeric::smallint, 0),
                coalesce((v_options ->> 'max_retries')::numeric::smallint, v_handler.max_retries),
                coalesce((v_options ->> 'timeout_s')::real, v_handler.timeout_s), v_run_at, v_deadline,
                v_key is not null or v_deadline is not null, p_parent.id, v_params, v_key,
                array(select jsonb_array_elements_text(nullif(v_options -> 'tags', 'null'))));
        if v_deadline is not null then
            insert into dure.deadline (deadline_at, job_id) values (v_deadline, id);
        end if;
        if v_depends is not null then
            perform dure.depend_new(p_tenant, array[id], v_depends);
        elsif p_task -> 'depends_on' is not null then
            perform dure.place(array[id]);
        end if;
    else
        perform dure.check_repeats(array[id], array[false], jsonb_build_array(v_params));
    end if;
end $$;

-- One task for every agent that would do it now, under one that gathers their results and ends when all have ended.
create or replace function dure.submit_broadcast(p_tenant text, p_task jsonb, p_actor text, p_id uuid, p_need dure.need) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_wish   record;
    v_agents text[];
    v_name   text;
    v_child  uuid;
    v_choice bigint;
    v_ids    uuid[] := '{}';
    v_gather dure.job;
begin
    v_agents := array(select a.agent_id from dure.agent a
                      where a.tenant_id = p_tenant and a.epoch is not null and a.capabilities @> p_need.capabilities and dure.would_do(a, p_need)
                      order by a.agent_id limit 1001);
    if cardinality(v_agents) not between 1 and 1000 then
        perform dure.raise_error('conflict', 'strategy', format('a broadcast goes to 1 to 1000 agents; there are %s that would do it',
                case when v_agents = '{}' then 'none' else 'more' end),
            jsonb_build_object('reason', case when v_agents = '{}' then 'no_candidate' else 'too_many_candidates' end, 'most', 1000));
    end if;
    v_wish := dure.read_wish(p_tenant, p_task);
    perform dure.make_task(p_tenant, p_task - array['depends_on', 'run_at', 'delay_s', 'timeout_s'] || '{"handler": "dure.task.gather", "params": {}}', p_actor, p_id,
                           dure.lane_of(p_tenant, 'default', 'dure.task.gather'), v_wish.parent);
    insert into dure.choice (tenant_id, job_id, strategy, reason, candidates)
    values (p_tenant, p_id, 'broadcast', jsonb_build_object('code', 'everyone', 'count', cardinality(v_agents)),
            (select jsonb_agg(jsonb_build_object('agent_id', a)) from unnest(v_agents[:20]) a))
    returning choice_id into v_choice;
    insert into dure.task (job_id, tenant_id, need_id, choice_id, strategy, from_agent, title, trace_id, depth, chain, root_id, created_by)
    values (p_id, p_tenant, p_need.need_id, v_choice, 'broadcast', v_wish.from_agent, coalesce(p_task ->> 'title', ''),
            coalesce(v_wish.trace_id, replace(p_id::text, '-', '')), v_wish.depth, v_wish.chain, coalesce(v_wish.root_id, p_id), p_actor);
    select * into v_gather from dure.job j where j.id = p_id;
    foreach v_name in array v_agents loop
        select m.id into v_child from dure.make_task(p_tenant, p_task - array['unique_key', 'unique_for_s'], p_actor, dure.uuid7(),
            dure.lane_of(p_tenant, (dure.need_of(p_tenant, null, '{}', v_name, null, '{}')).queue, dure.handler_of(p_task)), v_gather) m;
        insert into dure.task (job_id, tenant_id, need_id, choice_id, strategy, agent_id, from_agent, title, trace_id, depth, chain, root_id, created_by)
        values (v_child, p_tenant, p_need.need_id, v_choice, 'broadcast', v_name, v_wish.from_agent, coalesce(p_task ->> 'title', ''),
                coalesce(v_wish.trace_id, replace(p_id::text, '-', '')), v_wish.depth, v_wish.chain, coalesce(v_wish.root_id, p_id), p_actor);
        v_ids := v_ids || v_child;
    end loop;
    update dure.job set linked = true where job.id = any (v_ids);
    insert into dure.dependency (job_id, depends_on_id, need) select p_id, c, 'ended' from unnest(v_ids) c;
    update dure.job set blocked_by = cardinality(v_ids) where job.id = p_id;
    if p_task -> 'depends_on' is null then
        perform dure.place(v_ids);
    end if;
end $$;

-- One task, for plain SQL.
create or replace function dure.submit_task(p_tenant text, p_task jsonb, p_actor text default 'sql') returns uuid
language sql set search_path = pg_catalog, pg_temp as $$
    select (dure.submit_tasks(p_tenant, jsonb_build_array(p_task), p_actor)).ids[1]
$$;
grant execute on function dure.submit_task, dure.submit_tasks to dure_app;

-- Whom a task would go to; changes nothing but, at most, the row of a need.
create or replace function dure.preview_task(p_tenant text, p_task jsonb, out chosen text, out reason jsonb, out candidates jsonb, out strategy text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wish record := dure.read_wish(dure.acting_tenant(p_tenant), p_task);
begin
    strategy := v_wish.strategy;
    select c.chosen, c.reason, c.candidates into chosen, reason, candidates
    from dure.choose(v_wish.need, v_wish.strategy, p_task ->> 'sticky_key', dure.uuid7()::text, false) c;
end $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The life of a task in an agent's hands: taken, and ended.

create or replace function dure.claim_number() returns bigint
language sql volatile set search_path = pg_catalog, pg_temp as $$
    select (((extract(epoch from clock_timestamp()) - 1735689600) * 1000)::bigint << 12) | nextval('dure.claim_turn')
$$;

-- Gives an agent up to so many tasks that it can do, the most urgent first, each under a claim of its own: its fence. It is
-- on record as begun from here on, because what an agent does with it is not seen. Asking is also a sign of life.
create or replace function dure.claim_tasks(p_tenant text, p_agent text, p_epoch bigint, p_most integer) returns setof dure.job
-- As the worker's claim: dure.ready goes from empty to a million rows and back, and its statistics are always late. Every step is
-- a few rows by an index, whatever the tables hold, so it is planned once: planning would take longer than doing it.
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
    v_agent  dure.agent;
    v_live   boolean;
    v_names  text[];
    v_lanes  integer[];
    v_ids    uuid[];
    v_picked uuid[];
    v_marks  integer[];
    v_left   integer;
    v_taken  integer;
    v_look   integer;
begin
    select * into v_agent from dure.agent a where a.tenant_id = p_tenant and a.agent_id = p_agent and a.epoch = p_epoch;
    if found then
        update dure.worker w set lease_until = dure.now() + make_interval(secs => w.lease_s)
        where w.worker_id = p_epoch and w.ended_at is null and w.lease_until < dure.now() + make_interval(secs => w.lease_s * 0.6);
        v_live := exists (select from dure.worker w where w.worker_id = p_epoch and w.ended_at is null);
    end if;
    if not coalesce(v_live, false) then
        perform dure.raise_error('lease_lost', 'epoch', format('agent %s has no session %s: register again', p_agent, p_epoch),
                                 jsonb_build_object('id', p_agent));
    end if;
    v_left := least(p_most, v_agent.capacity - (select count(*) from dure.claim c where c.worker_id = p_epoch));
    if v_left <= 0 or v_agent.hold is not null or v_agent.draining_at is not null then
        return;
    end if;
    v_names := dure.anchors_of(v_agent);
    v_lanes := array(
        -- "offset 0": first the few needs, then their lines, also while nobody has counted yet how many there are of both.
        select l.lane_id
        from (select n.queue from dure.need n where n.tenant_id = p_tenant and n.anchor = any (v_names) and dure.meets(v_agent, n) offset 0) n
        cross join lateral (select lane.lane_id, lane.handler from dure.lane
                            where lane.tenant_id = p_tenant and lane.queue = n.queue and lane.lane_id < 0 offset 0) l
        join dure.handler h on h.handler = l.handler and h.paused_at is null
        union all
        select l.lane_id from dure.lane l join dure.handler h on h.handler = l.handler and h.paused_at is null
        where l.tenant_id = p_tenant and l.queue = 'agents/any' and l.lane_id < 0);
    v_look := v_left;
    loop
        -- An id in line is a hint: cancelled jobs and such that moved to another line stay there until somebody comes by.
        with head as (
            select f.lane_id, f.rank, f.first_id from unnest(v_lanes) as lane(lane_id) cross join lateral (
                select r.lane_id, r.rank, r.first_id from dure.ready r where r.lane_id = lane.lane_id order by r.rank, r.first_id limit 1) f
            order by f.rank, f.first_id limit 64
        ), found as (
            select r.* from head cross join lateral (
                select ready.ctid as spot, ready.lane_id, ready.rank, ready.first_id, ready.ids from dure.ready
                where ready.lane_id = head.lane_id order by ready.rank, ready.first_id limit v_look for update skip locked) r
        ), bundle as (
            select spot, lane_id, ids, sum(cardinality(ids)) over (order by rank, first_id, lane_id) - cardinality(ids) as before from found
        ), part as (
            select spot, lane_id, ids[:v_look - before] as ids, cardinality(ids) <= v_look - before as whole from bundle where before < v_look
        ), gone as (
            delete from dure.ready where ctid = any (array(select spot from part where whole))
        ), split as (
            update dure.ready r set ids = r.ids[cardinality(p.ids) + 1:] from part p where r.ctid = p.spot and not p.whole
        )
        select coalesce(array_agg(i.id), '{}'), coalesce(array_agg(part.lane_id), '{}') into v_picked, v_marks
        from part cross join lateral unnest(part.ids) as i(id);
        exit when v_picked = '{}';
        with pick as (
            select p.id, p.lane_id, dure.claim_number() as claim_id from unnest(v_picked, v_marks) as p(id, lane_id)
        ), begun as (
            update dure.job j set state = 'processing', claim_id = pick.claim_id, worker_id = p_epoch, started_at = dure.now(), attempt = j.attempt + 1
            from pick
            where j.id = pick.id and j.lane_id = pick.lane_id and j.state = 'pending' and j.blocked_by = 0 and (j.run_at is null or j.run_at <= dure.now())
            returning j.id, j.claim_id, j.timeout_s, j.deadline_at, j.started_at
        ), claim as (
            insert into dure.claim (claim_id, worker_id, job_ids, started) select b.claim_id, p_epoch, array[b.id], array[b.id] from begun b
        ), due as (
            insert into dure.task_due (due_at, job_id, claim_id, kind)
            select b.started_at + make_interval(secs => b.timeout_s), b.id, b.claim_id, 'timeout' from begun b where b.timeout_s is not null
            union all
            select b.deadline_at, b.id, b.claim_id, 'deadline' from begun b where b.deadline_at is not null
        ), told as (
            update dure.task t set agent_id = p_agent from begun b where t.job_id = b.id and t.agent_id is distinct from p_agent
        )
        select coalesce(v_ids, '{}') || coalesce(array_agg(b.id), '{}'), count(*) into v_ids, v_taken from begun b;
        v_left := v_left - v_taken;
        exit when v_left <= 0;
        -- Nothing but old hints: look at more of them at once.
        v_look := case when v_taken = 0 then least(v_look * 4, 1000) else v_left end;
    end loop;
    perform dure.log_message(p_tenant, coalesce(t.from_agent, ''), p_agent, 'dure', 'task', t.job_id, t.trace_id, octet_length(j.params::text), null, true)
    from dure.task t join dure.job j on j.id = t.job_id where t.job_id = any (v_ids);
    return query select j.* from dure.job j where j.id = any (v_ids) order by j.priority desc, j.id;
end $$;

-- What an agent is told of tasks that it was just given. Volatile, so that it looks with a snapshot of its own: what came in and was
-- taken within one statement of dure.claim_tasks is not in the snapshot of whoever called that.
create or replace function dure.assignments(p_ids uuid[])
returns table (task_id text, claim_id bigint, handler text, params jsonb, attempt integer, title text, from_agent text, trace_id text,
               root_id text, depth integer, deadline_at timestamptz, timeout_s real, priority integer, capabilities text[])
language sql volatile set search_path = pg_catalog, pg_temp as $$
    select j.id::text, j.claim_id, j.handler, j.params::jsonb, j.attempt::integer, coalesce(t.title, ''), t.from_agent, t.trace_id,
           t.root_id::text, coalesce(t.depth, 0)::integer, j.deadline_at, j.timeout_s, j.priority::integer, coalesce(n.capabilities, '{}')
    from dure.job j left join dure.task t on t.job_id = j.id left join dure.need n on n.need_id = t.need_id
    where j.id = any (p_ids) order by j.priority desc, j.id
$$;

-- How a task ended in an agent's hands: p_end is {"outcome": completed|retried|failed|cancelled|released, "result", "delay_s", "error_class",
-- "error"}. False when it is not that agent's any more, or never was: that changes nothing but is on record.
create or replace function dure.end_task(p_tenant text, p_agent text, p_epoch bigint, p_task uuid, p_claim bigint, p_end jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_outcome text := p_end ->> 'outcome';
    v_started timestamptz;
    v_linked  boolean;
    v_done    boolean;
    v_class   text;
    v_version text;
    v_ms      double precision;
begin
    select j.started_at, j.linked, a.class, a.version into v_started, v_linked, v_class, v_version
    from dure.job j join dure.agent a on a.tenant_id = j.tenant_id and a.agent_id = p_agent and a.epoch = p_epoch
    where j.id = p_task and j.tenant_id = p_tenant and j.worker_id = p_epoch and j.claim_id = p_claim and j.state = 'processing'
    for no key update of j;
    v_done := found;
    if v_done and v_outcome = 'completed' then
        update dure.job j set state = 'completed', finished_at = dure.now(), result = p_end -> 'result', error_class = null, error = null where j.id = p_task;
        delete from dure.claim where claim_id = p_claim;
        -- As in the queue's own finish: for most there is nobody to tell.
        if v_linked then
            perform dure.after_end(array[p_task]);
        end if;
    elsif v_done then
        v_done := p_task = any (dure.settle(jsonb_build_array(p_end || jsonb_build_object('id', p_task, 'claim_id', p_claim)), array[p_claim]));
    end if;
    v_ms := extract(epoch from dure.now() - v_started) * 1000;
    if v_done and v_outcome <> 'released' then
        perform dure.sample(p_tenant, p_agent, v_class, v_version, 'task', v_outcome = 'completed', v_ms);
    elsif not v_done then
        perform dure.record('agent:' || p_agent, 'refused', 'task ' || p_task,
                            jsonb_build_object('reason', 'lease_lost', 'outcome', v_outcome, 'epoch', p_epoch, 'claim_id', p_claim), p_tenant);
    end if;
    perform dure.log_message(p_tenant, p_agent, coalesce(t.from_agent, ''), 'dure', coalesce(v_outcome, 'result'), p_task, t.trace_id,
                             octet_length(coalesce(p_end ->> 'result', p_end ->> 'error', '')), v_ms, v_done, case when not v_done then 'lease_lost' end)
    from dure.task t where t.job_id = p_task and t.tenant_id = p_tenant;
    return v_done;
end $$;

-- What must be done for agents now and then, by whoever comes first: suspects are named, the long dead are reaped, tasks out of time are
-- taken away, and such whose agent was asked to stop and does not answer. Answers how much of each.
create or replace function dure.tend_agents(p_reap_after_s double precision, p_force_after_s double precision) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_agent    dure.agent;
    v_suspects integer := 0;
    v_reaped   integer := 0;
    v_late     integer;
begin
    for v_agent in
        update dure.agent a set suspected_at = dure.now() from dure.worker w
        where w.worker_id = a.epoch and w.ended_at is null and a.suspected_at is null
          and w.lease_until - dure.now() < make_interval(secs => w.lease_s / 3)
        returning a.*
    loop
        v_suspects := v_suspects + 1;
        perform dure.agent_told(v_agent, 'agents.heartbeat', 'suspect', jsonb_build_object('epoch', v_agent.epoch));
    end loop;
    for v_agent in
        select * from dure.agent a where a.epoch is null and a.on_death <> 'keep' and a.retired_at is null and a.reaped_at is null
          and a.died_at < dure.now() - make_interval(secs => a.lease_s)
          and exists (select from dure.agent_link l where l.tenant_id = a.tenant_id and l.parent_id = a.agent_id)
        order by a.tenant_id, a.agent_id limit 100
    loop
        -- It went in order and did not come back within a lease.
        perform dure.lock_tree(v_agent.tenant_id);
        if exists (select from dure.agent a where a.tenant_id = v_agent.tenant_id and a.agent_id = v_agent.agent_id and a.epoch is null) then
            perform dure.leave_children(v_agent, v_agent.on_death = 'parent');
        end if;
    end loop;
    for v_agent in
        select * from dure.agent a where a.died_at < dure.now() - make_interval(secs => p_reap_after_s) and a.reaped_at is null and a.retired_at is null
          and a.epoch is null order by a.tenant_id, a.agent_id limit 100
    loop
        perform dure.lock_tree(v_agent.tenant_id);
        update dure.agent set reaped_at = dure.now() where tenant_id = v_agent.tenant_id and agent_id = v_agent.agent_id and epoch is null;
        continue when not found;
        v_reaped := v_reaped + 1;
        perform dure.leave_children(v_agent, v_agent.on_death <> 'escalate');
        perform dure.fail_named(v_agent, 'AgentReaped', format('agent %s has been dead for too long', v_agent.agent_id));
        perform dure.agent_event(v_agent.tenant_id, 'dure', 'reap', v_agent.agent_id);
        perform dure.agent_told(v_agent, 'agents.discovery', 'reaped');
    end loop;
    with due as (
        delete from dure.task_due where ctid = any (array(select ctid from dure.task_due where due_at <= dure.now() order by due_at limit 1000 for update skip locked))
        returning job_id, claim_id, kind
    ), late as (
        select distinct on (d.job_id) d.job_id, d.claim_id,
               case d.kind when 'deadline' then 'failed' else 'retried' end as outcome,
               case d.kind when 'deadline' then 'DeadlinePassed' else 'TimeoutError' end as error_class,
               case d.kind when 'deadline' then 'the deadline passed' else 'the agent used up its time' end as error,
               least(60, 2 ^ least(j.retry_count, 6)) as delay_s
        from due d join dure.job j on j.id = d.job_id and j.claim_id = d.claim_id and j.state = 'processing' order by d.job_id, d.kind
    ), stuck as (
        select c.job_id, j.claim_id, 'cancelled', 'Cancelled', c.reason, 0
        from dure.cancellation c join dure.job j on j.id = c.job_id and j.state = 'processing'
        join dure.worker w on w.worker_id = c.worker_id and w.agent_id is not null
        where j.cancel_requested_at < dure.now() - make_interval(secs => p_force_after_s)
    ), over as (
        select * from late union all select * from stuck where job_id not in (select job_id from late)
    )
    select cardinality(dure.settle(coalesce(jsonb_agg(jsonb_build_object('id', job_id, 'claim_id', claim_id, 'outcome', outcome, 'delay_s', delay_s,
                                                                         'error_class', error_class, 'error', error)), '[]'),
                                   coalesce(array_agg(claim_id), '{}'))) into v_late
    from over;
    return jsonb_build_object('suspects', v_suspects, 'reaped', v_reaped, 'late', v_late);
end $$;

-- As before; the lines of all needs are shown as one queue, because there may be thousands.
create or replace function dure.depths() returns table (queue text, place text, jobs bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with reader as materialized (
        select dure.reader() as tenant_id
    ), lane as materialized (
        select l.lane_id, case when l.lane_id < 0 then 'agents' else l.queue end as queue from dure.lane l, reader where reader.tenant_id is null or l.tenant_id = reader.tenant_id
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

-- As before; what waits for agents is not ahead of what waits for workers.
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
    where l.tenant_id = p_tenant and l.lane_id > 0
$$;

-- As before; what waits for an agent is explained by the task, and an agent's session is no worker.
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
    if v_lane.lane_id < 0 and v_handler.paused_at is null then
        return jsonb_build_object('code', 'waits_for_agent');
    elsif v_handler.paused_at is not null then
        return jsonb_build_object('code', 'handler_paused', 'handler', p_job.handler, 'since', v_handler.paused_at,
            'by', coalesce(v_handler.paused_by, ''));
    elsif v_queue.paused_at is not null then
        return jsonb_build_object('code', 'queue_paused', 'queue', v_lane.queue, 'since', v_queue.paused_at,
            'by', coalesce(v_queue.paused_by, ''));
    elsif not exists (select from dure.worker where agent_id is null and ended_at is null and lease_until > v_now) then
        return jsonb_build_object('code', 'no_worker');
    elsif not exists (select from dure.worker where agent_id is null and ended_at is null and lease_until > v_now
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

insert into dure.handler (handler, queue, description, max_retries)
values ('dure.task.gather', 'default', 'Gathers what all the agents of a broadcast answered.', 3)
on conflict (handler) do nothing;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
