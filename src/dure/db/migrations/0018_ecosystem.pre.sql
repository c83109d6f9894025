-- The agents as older programs know them: seven views by the names of their tables, eight channels and five releases to begin with.
--
--   public.agent_registry             who there is; INSERT registers, UPDATE of last_heartbeat renews
--   public.agent_hierarchy            who is whose child; INSERT links
--   public.agent_versions             the releases of each class
--   public.realtime_channels          the channels and their figures
--   public.distributed_tasks          the tasks; INSERT asks for one
--   public.agent_communication_logs   who said what to whom; INSERT notes it
--   public.agent_performance_history  what agents did, minute by minute
--
-- All of it is read from the engine's own tables, so nothing is written twice and nothing can disagree.

-- What a tenant begins with, made once: cheap when it is there.
create or replace function dure.begin_agents(p_tenant text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    c_said_by constant text[] := '{agent,operator,admin}';
    c_all     constant text[] := '{viewer,operator,approver,admin,agent}';
begin
    if (select count(*) from dure.channel where tenant_id = p_tenant and built_in) >= 8 then
        return;
    end if;
    -- In the order of their names, as everyone locks channels.
    perform dure.make_channel(p_tenant, 'agents.discovery', 'discovery', 'Agents that register, and who finds them', c_said_by, c_all);
    perform dure.make_channel(p_tenant, 'agents.executor', 'agent_class', 'For executors alone', c_said_by, '{class:executor,operator,admin}');
    perform dure.make_channel(p_tenant, 'agents.heartbeat', 'heartbeat', 'Agents that are heard of, suspected or dead', c_said_by, c_all);
    perform dure.make_channel(p_tenant, 'agents.indexing', 'agent_class', 'For indexing agents alone', c_said_by, '{class:indexing,operator,admin}');
    perform dure.make_channel(p_tenant, 'agents.orchestrator', 'agent_class', 'For orchestrators alone', c_said_by, '{class:orchestrator,operator,admin}');
    perform dure.make_channel(p_tenant, 'agents.research', 'agent_class', 'For research agents alone', c_said_by, '{class:research,operator,admin}');
    perform dure.make_channel(p_tenant, 'system.health', 'health', 'How the whole system is', c_said_by, c_all);
    perform dure.make_channel(p_tenant, 'tasks.distribution', 'task', 'Tasks that are given to agents', c_said_by, c_all);
    perform dure.make_release(p_tenant, 'executor', '1.8.3', 'patch', 'Executor Child Unit');
    perform dure.make_release(p_tenant, 'indexing', '1.7.1', 'patch', 'Indexing Child Unit');
    perform dure.make_release(p_tenant, 'orchestrator', '2.1.0', 'minor', 'Orchestrator Parent Unit');
    perform dure.make_release(p_tenant, 'research', '1.9.0', 'minor', 'Research Child Unit');
    perform dure.make_release(p_tenant, 'test-system', '1.0.0', 'initial', 'Test System Agent');
end $$;
comment on function dure.begin_agents(text) is 'Gives a tenant the eight channels and five releases that everyone begins with.';
do $$ begin perform dure.begin_agents('default'); end $$;

-- What the views ask besides columns.

create or replace function dure.task_depends_on(p_tenant text, p_job uuid) returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(d.depends_on_id order by d.depends_on_id), '{}')
    from dure.dependency d join dure.job j on j.id = d.job_id
    where d.job_id = p_job and j.tenant_id = p_tenant and (dure.is_system() or p_tenant = dure.tenant_id())
$$;

-- The latency that a share of tasks stayed below, as far as buckets know: the upper end of the one it falls into.
create or replace function dure.latency_at(p_latency integer[], p_share double precision) returns double precision
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select round((0.1 * power(1.1::double precision, b.n - 1))::numeric, 1)::double precision
    from (select n, sum(c.tasks) over (order by n) as below, sum(c.tasks) over () as every
          from unnest(p_latency) with ordinality as c(tasks, n)) b
    where b.below >= greatest(b.every * p_share, 1)
    order by b.n limit 1
$$;

-- An agent's tasks of the last hour, and the load that it reported last.
create or replace function dure.agent_figures(p_tenant text, p_agent text, p_load jsonb) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('window_s', 3600, 'tasks_ok', coalesce(sum(m.tasks_ok), 0), 'tasks_failed', coalesce(sum(m.tasks_failed), 0),
                              'errors', coalesce(sum(m.errors), 0), 'leases_lost', coalesce(sum(m.leases_lost), 0),
                              'success_rate', round(sum(m.tasks_ok)::numeric / nullif(sum(m.tasks_ok + m.tasks_failed), 0), 4),
                              'latency_ms_p95', dure.latency_at(dure.sum_buckets(m.latency), 0.95), 'load', p_load)
    from dure.agent_minute m
    where m.tenant_id = p_tenant and m.agent_id = p_agent and m.minute > dure.now() - interval '1 hour'
$$;
grant execute on function dure.task_depends_on(text, uuid), dure.latency_at(integer[], double precision),
    dure.agent_figures(text, text, jsonb), dure.agent_state(dure.agent), dure.sum_buckets(integer[]), dure.add_buckets(integer[], integer[])
to dure_app, dure_system;
-- Its policy shows a tenant its own entries, as that of the chained ones does.
grant select on dure.agent_log_new to dure_app;

-- What the views show; see 0012_knowledge for why the tenant is part of them.
do $make$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
    v_name text;
begin
    execute format($view$
        create or replace view dure.agent_registry %s as
        select a.agent_id, a.tenant_id, a.kind as agent_type, a.class as agent_class, a.version, dure.agent_state(a) as status, a.capabilities,
               a.location, a.endpoints, l.parent_id as parent_agent_id, a.capacity, a.labels as metadata, a.target_version,
               dure.agent_figures(a.tenant_id, a.agent_id, w.load) as performance_metrics,
               case when w.worker_id is null then a.died_at else w.lease_until - make_interval(secs => w.lease_s) end as last_heartbeat,
               w.lease_until, a.first_registered_at as created_at,
               greatest(a.registered_at, a.suspected_at, a.died_at, a.reaped_at, a.draining_at, a.retired_at) as updated_at
        from dure.agent a
        left join dure.agent_link l on l.tenant_id = a.tenant_id and l.child_id = a.agent_id
        left join dure.worker w on w.worker_id = a.epoch
        where (select dure.is_system()) or a.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.agent_registry is 'Who there is. status: alive, suspect, draining, dead, reaped or retired, by the database''s clock.';

    execute format($view$
        create or replace view dure.agent_hierarchy %s as
        select l.parent_id as parent_agent_id, l.child_id as child_agent_id, l.tenant_id, l.protocol as communication_protocol,
               l.settings as protocol_config, l.state as connection_status, l.connected_at, l.disconnected_at, l.orphaned_at,
               a.first_registered_at as created_at, greatest(l.connected_at, l.disconnected_at, l.orphaned_at, a.first_registered_at) as updated_at
        from dure.agent_link l join dure.agent a on a.tenant_id = l.tenant_id and a.agent_id = l.child_id
        where (select dure.is_system()) or l.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.agent_hierarchy is 'Who is whose child, how they speak and whether they are connected; an orphan has no parent.';

    execute format($view$
        create or replace view dure.agent_versions %s as
        select r.class as agent_class, r.version, r.release_type, r.tenant_id, r.state as status, r.state = 'current' as is_current,
               r.state in ('current', 'superseded') and r.release_type <> 'prerelease' as is_stable,
               r.compatible as compatible_versions, o.strategy as deployment_strategy, o.state as deployment_status,
               o.from_version as rollback_version, o.auto_revert as rollback_automatic, r.notes as release_notes, r.created_by,
               r.current_at as released_at, r.created_at, coalesce(r.ended_at, r.current_at, r.created_at) as updated_at
        from dure.release r
        left join lateral (select strategy, state, from_version, auto_revert from dure.rollout o
                           where o.tenant_id = r.tenant_id and o.class = r.class and o.to_version = r.version order by o.id desc limit 1) o on true
        where (select dure.is_system()) or r.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.agent_versions is 'The releases of each class, and the last rollout that led to each.';

    execute format($view$
        create or replace view dure.realtime_channels %s as
        select c.name as channel_name, c.type as channel_type, c.tenant_id, c.description,
               jsonb_build_object('publish', c.publish, 'subscribe', c.subscribe) as access_control,
               c.messages as message_count, c.bytes as message_bytes, c.subscribers as subscriber_count, c.last_message_at,
               c.keep_days, true as is_active, c.built_in as is_default, c.created_by, c.created_at, c.updated_at
        from dure.channels c
        where (select dure.is_system()) or c.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.realtime_channels is 'The channels: who may publish and subscribe, and how much they are used.';

    execute format($view$
        create or replace view dure.distributed_tasks %s as
        select j.id as task_id, j.tenant_id, j.handler as task_type, t.title, coalesce(t.agent_id, w.agent_id) as assigned_to_agent_id,
               t.from_agent as delegated_by_agent_id, j.state as status, j.priority::integer as priority, t.strategy as delegation_strategy,
               n.class as agent_class, n.capabilities as required_capabilities, dure.task_depends_on(j.tenant_id, j.id) as dependencies,
               j.parent_id as parent_task_id, t.root_id as root_task_id, t.depth::integer as depth, t.trace_id, j.params as payload, j.result,
               j.error_class, j.error as error_message, j.attempt as attempts, j.retry_count::integer as retry_count,
               j.max_retries::integer as max_retries, j.deadline_at, j.created_at, j.started_at, j.finished_at as completed_at,
               coalesce(j.finished_at, j.started_at, j.created_at) as updated_at
        from dure.task t
        join dure.job j on j.id = t.job_id
        left join dure.need n on n.need_id = t.need_id
        left join dure.worker w on w.worker_id = j.worker_id
        where (select dure.is_system()) or t.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.distributed_tasks is 'The tasks of agents: whom each was given to and by which strategy, what it waits for, how it ended.';

    execute format($view$
        create or replace view dure.agent_communication_logs %s as
        select l.seq, l.tenant_id, l.from_agent as from_agent_id, l.to_agent as to_agent_id, l.protocol, l.kind as message_type, l.task_id,
               l.trace_id, l.size_bytes as message_size_bytes, l.latency_ms, l.ok as success, l.error as error_message,
               encode(l.hash, 'hex') as hash, l.at as created_at
        from dure.agent_log l
        where (select dure.is_system()) or l.tenant_id = (select dure.tenant_id())
        union all
        select null, l.tenant_id, l.from_agent, l.to_agent, l.protocol, l.kind, l.task_id, l.trace_id, l.size_bytes, l.latency_ms, l.ok, l.error,
               null, l.at
        from dure.agent_log_new l
        where (select dure.is_system()) or l.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.agent_communication_logs is 'Every message between agents. seq and hash are null for the second before an entry is chained.';

    execute format($view$
        create or replace view dure.agent_performance_history %s as
        select m.agent_id, m.minute as recorded_at, m.tenant_id, m.class as agent_class, m.version as agent_version,
               m.tasks_ok as tasks_completed, m.tasks_failed, m.errors as error_count, m.leases_lost,
               round(m.tasks_ok::numeric / nullif(m.tasks_ok + m.tasks_failed, 0), 4) as success_rate,
               dure.latency_at(m.latency, 0.5) as latency_ms_p50, dure.latency_at(m.latency, 0.95) as latency_ms_p95
        from dure.agent_minute m
        where (select dure.is_system()) or m.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.agent_performance_history is 'What agents did, minute by minute; latencies are known to a tenth.';

    foreach v_name in array array['agent_registry', 'agent_hierarchy', 'agent_versions', 'realtime_channels', 'distributed_tasks',
                                  'agent_communication_logs', 'agent_performance_history'] loop
        execute format('grant select, insert, update, delete on dure.%I to dure_app, dure_system', v_name);
    end loop;
end $make$;

-- What older programs write. Times and states are the database's to say, so what they give of those is not taken over.

create or replace function dure.agent_registry_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(coalesce(new.tenant_id, dure.tenant_id(), 'default'));
begin
    perform dure.register_agent(v_tenant, jsonb_strip_nulls(jsonb_build_object(
        'agent_id', new.agent_id, 'kind', new.agent_type, 'class', new.agent_class, 'version', new.version, 'capabilities', new.capabilities,
        'location', new.location, 'endpoints', new.endpoints, 'capacity', new.capacity, 'labels', new.metadata, 'parent_id', new.parent_agent_id)));
    select * into new from dure.agent_registry where tenant_id = v_tenant and agent_id = new.agent_id;
    return new;
end $$;

create or replace function dure.agent_registry_update() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    c_free constant text[] := '{last_heartbeat,updated_at,performance_metrics,status,lease_until}';
begin
    if (to_jsonb(new) - c_free) <> (to_jsonb(old) - c_free)
       or (new.status is distinct from old.status and coalesce(new.status, '') not in ('alive', 'active', 'online', 'idle', 'busy')) then
        perform dure.raise_error('refused', 'agent_registry',
            'an UPDATE of agent_registry renews a lease and nothing else: register again to change what an agent is, and use dure agents drain|resume|retire for its status');
    end if;
    perform dure.renew_agent(dure.acting_tenant(old.tenant_id), old.agent_id, null,
        case when new.performance_metrics is distinct from old.performance_metrics then new.performance_metrics end);
    select * into new from dure.agent_registry where tenant_id = old.tenant_id and agent_id = old.agent_id;
    return new;
end $$;

create or replace function dure.agent_hierarchy_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(coalesce(new.tenant_id, dure.tenant_id(), 'default'));
begin
    perform dure.link_agent(v_tenant, new.child_agent_id, new.parent_agent_id, coalesce(new.communication_protocol, 'dure'), coalesce(new.protocol_config, '{}'));
    select * into new from dure.agent_hierarchy where tenant_id = v_tenant and child_agent_id = new.child_agent_id;
    return new;
end $$;

create or replace function dure.distributed_tasks_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(coalesce(new.tenant_id, dure.tenant_id(), 'default'));
    v_id     uuid;
begin
    if new.task_id is not null then
        perform dure.raise_error('unknown_field', 'task_id', 'task_id is given by Dure: leave it out');
    elsif coalesce(new.status, 'pending') <> 'pending' then
        perform dure.raise_error('not_one_of', 'status', 'a new task is pending', '{"expected": "pending"}');
    elsif new.started_at is not null or new.completed_at is not null or new.result is not null or new.error_message is not null then
        perform dure.raise_error('refused', 'distributed_tasks', 'a new task has no history: leave out result, error_message, started_at and completed_at');
    end if;
    v_id := dure.submit_task(v_tenant, jsonb_strip_nulls(jsonb_build_object(
        'handler', new.task_type, 'title', new.title, 'agent', new.assigned_to_agent_id, 'from_agent', new.delegated_by_agent_id,
        'priority', new.priority, 'strategy', new.delegation_strategy, 'class', new.agent_class, 'capabilities', new.required_capabilities,
        'depends_on', nullif(new.dependencies, '{}'), 'parent_id', new.parent_task_id, 'trace_id', new.trace_id,
        'max_retries', new.max_retries, 'deadline_at', new.deadline_at)) || jsonb_build_object('params', coalesce(new.payload, '{}')), 'sql');
    select * into new from dure.distributed_tasks where task_id = v_id;
    return new;
end $$;

create or replace function dure.agent_communication_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if new.seq is not null or new.hash is not null then
        perform dure.raise_error('unknown_field', 'seq', 'seq and hash are given by Dure: leave them out');
    elsif new.from_agent_id is null or new.protocol is null then
        perform dure.raise_error('missing', case when new.protocol is null then 'protocol' else 'from_agent_id' end, 'from_agent_id and protocol are required');
    end if;
    new.tenant_id := dure.acting_tenant(coalesce(new.tenant_id, dure.tenant_id(), 'default'));
    new.message_type := coalesce(new.message_type, 'message');
    new.success := coalesce(new.success, new.error_message is null);
    new.created_at := dure.now();
    perform dure.log_message(new.tenant_id, new.from_agent_id, new.to_agent_id, new.protocol, new.message_type, new.task_id, new.trace_id,
                             new.message_size_bytes, new.latency_ms, new.success, new.error_message);
    return new;
end $$;

create or replace function dure.agents_face_refuse() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.raise_error('refused', tg_table_name, tg_table_name || case tg_table_name
        when 'agent_registry' then ' loses no row by DELETE: use dure agents retire'
        when 'agent_hierarchy' then ' is changed by INSERT, which links a child to another parent, or by dure agents link'
        when 'agent_versions' then ' is changed by dure releases and dure rollouts, or dure.make_release(tenant, class, version, type, notes)'
        when 'realtime_channels' then ' is changed by dure channels, or dure.make_channel(tenant, name, type, description, publish, subscribe)'
        when 'distributed_tasks' then ' is not changed by UPDATE or DELETE: use dure.cancel(task_id) or dure.retry(task_id)'
        when 'agent_communication_logs' then ' is append-only'
        else ' is written by Dure itself, from what agents do' end);
    return null;
end $$;
grant execute on function dure.agent_registry_insert(), dure.agent_registry_update(), dure.agent_hierarchy_insert(),
    dure.distributed_tasks_insert(), dure.agent_communication_insert(), dure.agents_face_refuse() to dure_app, dure_system;

create or replace trigger face_insert instead of insert on dure.agent_registry for each row execute function dure.agent_registry_insert();
create or replace trigger face_update instead of update on dure.agent_registry for each row execute function dure.agent_registry_update();
create or replace trigger face_refuse instead of delete on dure.agent_registry for each row execute function dure.agents_face_refuse();
create or replace trigger face_insert instead of insert on dure.agent_hierarchy for each row execute function dure.agent_hierarchy_insert();
create or replace trigger face_refuse instead of update or delete on dure.agent_hierarchy for each row execute function dure.agents_face_refuse();
create or replace trigger face_refuse instead of insert or update or delete on dure.agent_versions for each row execute function dure.agents_face_refuse();
create or replace trigger face_refuse instead of insert or update or delete on dure.realtime_channels for each row execute function dure.agents_face_refuse();
create or replace trigger face_insert instead of insert on dure.distributed_tasks for each row execute function dure.distributed_tasks_insert();
create or replace trigger face_refuse instead of update or delete on dure.distributed_tasks for each row execute function dure.agents_face_refuse();
create or replace trigger face_insert instead of insert on dure.agent_communication_logs for each row execute function dure.agent_communication_insert();
create or replace trigger face_refuse instead of update or delete on dure.agent_communication_logs for each row execute function dure.agents_face_refuse();
create or replace trigger face_refuse instead of insert or update or delete on dure.agent_performance_history for each row execute function dure.agents_face_refuse();

create or replace function dure.agent_face_names() returns text[]
language sql immutable parallel safe
return array['agent_registry', 'agent_hierarchy', 'agent_versions', 'realtime_channels', 'distributed_tasks', 'agent_communication_logs',
             'agent_performance_history'];
grant execute on function dure.agent_face_names() to dure_app, dure_system;

create or replace function dure.make_agent_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
    v_name text;
begin
    foreach v_name in array dure.agent_face_names() loop
        if dure.face_is_free(v_name) then
            execute format('create view public.%1$I %2$s as select * from dure.%1$I', v_name, v_with);
            execute format('comment on view public.%I is %L', v_name, 'Dure: a view for older programs.');
            execute format('revoke all on public.%I from public', v_name);
            execute format('grant select, insert, update, delete on public.%I to dure_app, dure_system', v_name);
        end if;
    end loop;
end $$;

-- Every migration runs dure.make_faces(); from here on it makes these too.
create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.make_job_face();
    perform dure.make_knowledge_faces();
    perform dure.make_notion_faces();
    perform dure.make_agent_faces();
end $$;
do $$ begin perform dure.make_agent_faces(); end $$;

-- What the script for SQL editors says at its end: the sentences of the document where all is as it says, counted from what is there.
create or replace function dure.agents_report(p_tenant text default 'default') returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_made     text[];
    v_foreign  text[];
    v_indexes  bigint;
    v_channels bigint;
    v_releases bigint;
begin
    select coalesce(array_agg(n.name order by n.place) filter (where v.is_ours), '{}'),
           coalesce(array_agg(n.name order by n.place) filter (where not v.is_ours), '{}')
    into v_made, v_foreign
    from unnest(dure.agent_face_names()) with ordinality n(name, place)
    cross join lateral (select coalesce(obj_description(to_regclass(format('public.%I', n.name)), 'pg_class')
                                        = 'Dure: a view for older programs.', false) as is_ours) v;
    select count(*) into v_indexes
    from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relnamespace = 'dure'::regnamespace and i.indisvalid and not c.relispartition
      and c.relname in ('agent', 'agent_link', 'need', 'choice', 'task', 'sticky', 'task_due', 'channel', 'message', 'listening', 'agent_log',
                        'release', 'rollout', 'rollout_agent', 'rollout_event', 'agent_minute');
    select count(*) into v_channels from dure.channel where tenant_id = p_tenant and built_in;
    select count(*) into v_releases from dure.release
    where tenant_id = p_tenant
      and (class, version) in (('test-system', '1.0.0'), ('orchestrator', '2.1.0'), ('executor', '1.8.3'), ('indexing', '1.7.1'), ('research', '1.9.0'));
    if cardinality(v_foreign) = 0 then
        return next '✅ Distributed Agent Ecosystem Schema successfully created!';
        return next '🚀 Self-upgrading agent infrastructure ready';
    else
        return next format('⚠️ Not made, because the name is in use by something else or this role may not use it: %s. Rename yours and run this script again.',
                           array_to_string(v_foreign, ', '));
    end if;
    return next '📊 Tables: ' || array_to_string(v_made, ', ');
    return next format('⚡ Indexes: %s performance indexes created', case when v_indexes >= 15 then '15+' else v_indexes::text end);
    return next format('📡 Channels: %s default realtime channels configured', v_channels);
    return next format('📦 Versions: %s initial agent versions added', v_releases);
end $$;
comment on function dure.agents_report(text) is 'What there is of the agents: tables by name, indexes, channels and releases, counted.';

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
