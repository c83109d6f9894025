-- Agents and their tasks.
--
-- An agent's session is a worker: it registers by a row in dure.worker, whose number is the agent's epoch and whose row is
-- its lease. So what it claims, how its ends are fenced, and what happens when it dies is the queue's own.
--
--   agent       who there is: class, version, capabilities; epoch is null while it has no session
--   agent_link  who is whose child
--   need        what a task asks of the agent that is to do it; each need has a line of its own
--   task        what a job is, beyond being a job: whom it needs, how that one is chosen, who asked, how deep it is
--   choice      whom a strategy chose, from which candidates, and why
--   sticky      which agent a key belongs to
--   task_due    when somebody must look whether a task is still being done
--
-- The lanes of needs have negative numbers: ordinary workers walk from lane 1 up and never meet them. An agent looks only at the
-- lanes of needs that it can serve, found by what the need is anchored to; so a rare capability among a hundred thousand
-- waiting tasks is as near as a common one.
--
-- Lock order, everywhere: the session (its row in dure.worker), the tenant's tree (dure.lock_tree), the agents by id, their
-- links, then the queue's order, then a channel. What a burial holds of jobs before it comes to agents nobody else can want: it
-- has their worker's row.

alter table dure.worker add column if not exists tenant_id text collate "C";
alter table dure.worker add column if not exists agent_id text collate "C";
alter table dure.worker add column if not exists load jsonb;
comment on column dure.worker.agent_id is 'Whose session this is; null for a worker of Dure''s own.';
-- Both by a column that changes once, at the end, so renewals stay HOT. Ten thousand agents must not make dure.wake() slow.
create index if not exists worker_own on dure.worker (worker_id) where agent_id is null and ended_at is null;
create index if not exists worker_live on dure.worker (worker_id) where ended_at is null;
drop policy if exists anyone on dure.worker;
create policy anyone on dure.worker for select to dure_app using (agent_id is null or tenant_id = dure.tenant_id());

create or replace function dure.wake() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from dure.worker where listening and agent_id is null and ended_at is null) then
        perform pg_notify('dure_ready', '');
    end if;
end $$;

create table if not exists dure.agent (
    tenant_id     text collate "C" not null check (length(tenant_id) between 1 and 200),
    agent_id      text collate "C" not null check (agent_id ~ '^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$'),
    kind          text not null default 'child' check (kind in ('parent', 'child', 'external')),
    class         text collate "C" not null check (class ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    version       text collate "C" not null check (length(version) between 1 and 100),
    capabilities  text[] not null default '{}' check (cardinality(capabilities) <= 100),
    trees         text[] not null,
    location      text not null default '' check (length(location) <= 500),
    endpoints     jsonb not null default '{}' check (jsonb_typeof(endpoints) = 'object'),
    labels        jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
    protocol      text not null default 'claim' check (protocol in ('claim', 'a2a')),
    capacity      integer not null default 1 check (capacity between 1 and 10000),
    on_death      text not null default 'parent' check (on_death in ('parent', 'escalate', 'keep')),
    lease_s       real not null check (lease_s between 1 and 3600),
    key_id        uuid,
    epoch         bigint,
    target_version text,
    hold          jsonb check (jsonb_typeof(hold) = 'object' and hold ? 'code'),
    revision      integer not null default 1,
    first_registered_at timestamptz not null default dure.now(),
    registered_at timestamptz not null default dure.now(),
    suspected_at  timestamptz,
    died_at       timestamptz,
    reaped_at     timestamptz,
    draining_at   timestamptz,
    retired_at    timestamptz,
    primary key (tenant_id, agent_id),
    check (epoch is null or (died_at is null and retired_at is null and reaped_at is null))
);
comment on table dure.agent is 'Who there is. trees: the agent itself and all above it, kept by dure.link_agent. hold: why it gets no work now.';
create unique index if not exists agent_epoch on dure.agent (epoch) where epoch is not null;
create index if not exists agent_class on dure.agent (tenant_id, class, agent_id);
create index if not exists agent_capabilities on dure.agent using gin (capabilities) where epoch is not null;
create index if not exists agent_trees on dure.agent using gin (trees);
call dure.protect('dure.agent');
grant select on dure.agent to dure_app;
grant select, insert, update, delete on dure.agent to dure_system;

create table if not exists dure.agent_link (
    tenant_id       text collate "C" not null,
    child_id        text collate "C" not null,
    parent_id       text collate "C",
    protocol        text not null default 'dure' check (length(protocol) between 1 and 100),
    settings        jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
    state           text not null default 'disconnected' check (state in ('connected', 'disconnected', 'orphaned')),
    connected_at    timestamptz,
    disconnected_at timestamptz,
    orphaned_at     timestamptz,
    revision        integer not null default 1,
    primary key (tenant_id, child_id),
    foreign key (tenant_id, child_id) references dure.agent on delete cascade,
    foreign key (tenant_id, parent_id) references dure.agent,
    check (child_id <> parent_id),
    check ((state = 'orphaned') = (parent_id is null))
);
comment on table dure.agent_link is 'Who is whose child, and how they speak. An orphan has lost its parent and waits for a person or another parent.';
create index if not exists agent_link_parent on dure.agent_link (tenant_id, parent_id, child_id) where parent_id is not null;
call dure.protect('dure.agent_link');
grant select on dure.agent_link to dure_app;
grant select, insert, update, delete on dure.agent_link to dure_system;

create table if not exists dure.need (
    need_id      integer generated always as identity primary key,
    tenant_id    text collate "C" not null,
    key          text collate "C" not null,
    anchor       text collate "C" not null,
    queue        text collate "C" not null generated always as ('agents/' || need_id::text) stored,
    class        text collate "C",
    capabilities text[] not null default '{}',
    agent_id     text collate "C",
    tree         text collate "C",
    not_agents   text[] not null default '{}',
    turn         text collate "C" not null default '',
    created_at   timestamptz not null default dure.now(),
    unique (tenant_id, key)
);
comment on table dure.need is 'What tasks ask of an agent; the same wish is one row. turn: whom round robin served last.';
create index if not exists need_anchor on dure.need (tenant_id, anchor);
call dure.protect('dure.need');
grant select on dure.need to dure_app;
grant select, insert, update, delete on dure.need to dure_system;

create table if not exists dure.choice (
    choice_id  bigint generated always as identity primary key,
    tenant_id  text collate "C" not null,
    job_id     uuid,
    at         timestamptz not null default dure.now(),
    strategy   text not null,
    chosen     text collate "C",
    reason     jsonb not null check (reason ? 'code'),
    candidates jsonb not null default '[]' check (jsonb_typeof(candidates) = 'array')
);
comment on table dure.choice is 'Whom a strategy chose and why. Tasks that were asked for together and need the same share one (job_id is null).';
create index if not exists choice_job on dure.choice (job_id, choice_id) where job_id is not null;
create index if not exists choice_age on dure.choice (at);
call dure.protect('dure.choice');
grant select on dure.choice to dure_app;
grant select, insert, update, delete on dure.choice to dure_system;

create table if not exists dure.task (
    job_id     uuid primary key references dure.job on delete cascade,
    tenant_id  text collate "C" not null,
    need_id    integer not null,
    choice_id  bigint,
    strategy   text not null check (strategy in ('direct', 'least_loaded', 'round_robin', 'sticky', 'broadcast', 'first_come')),
    sticky_key text check (length(sticky_key) between 1 and 500),
    agent_id   text collate "C",
    from_agent text collate "C",
    title      text not null default '' check (length(title) <= 500),
    trace_id   text not null,
    depth      smallint not null default 0 check (depth between 0 and 20),
    chain      text[] not null default '{}',
    root_id    uuid not null,
    created_by text not null
);
comment on table dure.task is 'A job for an agent. agent_id: whom it was given to, or who has taken it. chain: the agents that hold the tasks above it.';
create index if not exists task_tenant on dure.task (tenant_id, job_id desc);
create index if not exists task_agent on dure.task (tenant_id, agent_id, job_id desc) where agent_id is not null;
create index if not exists task_root on dure.task (root_id, job_id);
call dure.protect('dure.task');
grant select on dure.task to dure_app;
grant select, insert, update, delete on dure.task to dure_system;

create table if not exists dure.sticky (
    tenant_id text collate "C" not null,
    need_id   integer not null,
    key       text collate "C" not null,
    agent_id  text collate "C" not null,
    used_at   timestamptz not null default dure.now(),
    primary key (tenant_id, need_id, key)
);
create index if not exists sticky_age on dure.sticky (used_at);
call dure.protect('dure.sticky');
grant select on dure.sticky to dure_app;
grant select, insert, update, delete on dure.sticky to dure_system;

create table if not exists dure.task_due (
    due_at   timestamptz not null,
    job_id   uuid not null,
    claim_id bigint not null,
    kind     text not null check (kind in ('timeout', 'deadline'))
);
create index if not exists task_due_line on dure.task_due (due_at);
alter table dure.task_due enable row level security;
drop policy if exists system on dure.task_due;
create policy system on dure.task_due to dure_system using (true) with check (true);
grant select, insert, update, delete on dure.task_due to dure_system;

-- Any agent of the tenant may take what asks for nothing: the handler of plain tasks says so by its queue, so that a job that
-- was asked for without a word about agents, by plain SQL too, finds one.
insert into dure.handler (handler, queue, description, max_retries)
values ('dure.task', 'agents/any', 'Work for an agent: whichever can do what the task needs.', 3)
on conflict (handler) do nothing;

create sequence if not exists dure.need_lane as integer minvalue -2147483648 maxvalue -1 increment -1 start -1;
create index if not exists lane_need on dure.lane (tenant_id, queue) where lane_id < 0;

create or replace function dure.lane_of(p_tenant text, p_queue text, p_handler text) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_lane integer;
begin
    select lane_id into v_lane from dure.lane where tenant_id = p_tenant and handler = p_handler and queue = p_queue
    order by lane_id limit 1;
    if not found then
        if p_queue like 'agents/%' then
            insert into dure.lane (lane_id, tenant_id, queue, handler) overriding system value
            values (nextval('dure.need_lane'), p_tenant, p_queue, p_handler) returning lane_id into v_lane;
        else
            insert into dure.lane (tenant_id, queue, handler) values (p_tenant, p_queue, p_handler) returning lane_id into v_lane;
        end if;
    end if;
    return v_lane;
end $$;

-- As before, and: what agents wait for stands in line one by one, because each of them takes one at a time and a bundle in one's
-- hands would be out of the others' reach; and those that wait for such work are told where to look.
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
    ), line as (
        insert into dure.ready (lane_id, rank, first_id, ids)
        select lane_id, rank, min(id::text)::uuid, array_agg(id order by id)
        from (select lane_id, rank, id, (row_number() over (partition by lane_id, rank order by id) - 1)
                  / case when lane_id < 0 then 1 else 100 end as bundle
              from job where not early and limit_id is null) line
        group by lane_id, rank, bundle
    )
    select pg_notify('dure_task', l.tenant_id || ' ' || coalesce(n.anchor, 'any'))
    from (select distinct lane_id from job where lane_id < 0 and not early) there
    join dure.lane l on l.lane_id = there.lane_id
    left join dure.need n on n.tenant_id = l.tenant_id and l.queue = n.queue
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The registry.

-- What an agent is, by the database's clock. In the last third of its lease, when two renewals are late, it is a suspect: it keeps
-- what it has and is given nothing more until it is heard of.
create or replace function dure.agent_state(p_agent dure.agent) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
        when p_agent.retired_at is not null then 'retired'
        when p_agent.reaped_at is not null then 'reaped'
        when p_agent.epoch is null then 'dead'
        when p_agent.draining_at is not null then 'draining'
        when (select w.lease_until - dure.now() < make_interval(secs => w.lease_s / 3) from dure.worker w where w.worker_id = p_agent.epoch)
            then 'suspect'
        else 'alive' end
$$;

create or replace function dure.agent_event(p_tenant text, p_actor text, p_verb text, p_agent text, p_detail jsonb default '{}') returns void
language sql set search_path = pg_catalog, pg_temp as $$
    select dure.record(p_actor, p_verb, 'agent ' || p_agent, p_detail, p_tenant)
$$;

-- Tells the channels what became of an agent.
create or replace function dure.agent_told(p_agent dure.agent, p_channel text, p_event text, p_detail jsonb default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.publish(p_agent.tenant_id, p_channel,
        jsonb_build_object('event', p_event, 'agent', p_agent.agent_id, 'class', p_agent.class, 'version', p_agent.version) || p_detail,
        p_agent.agent_id, 'event');
end $$;

-- One who writes the tree of a tenant at a time: what is checked is still so when it is written.
create or replace function dure.lock_tree(p_tenant text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    select pg_advisory_xact_lock(hashtext('dure.agent_tree'), hashtext(p_tenant))
$$;

-- Computes anew who stands above an agent and above all below it.
create or replace function dure.plant(p_tenant text, p_agent text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    with recursive up as (
        select p_agent collate "C" as agent_id, 1 as n
        union all
        select l.parent_id, up.n + 1 from up join dure.agent_link l on l.tenant_id = p_tenant and l.child_id = up.agent_id
        where l.parent_id is not null and up.n < 100
    ), down as (
        select p_agent collate "C" as agent_id, array(select agent_id from up order by n) as trees
        union all
        select l.child_id, array[l.child_id] || down.trees
        from down join dure.agent_link l on l.tenant_id = p_tenant and l.parent_id = down.agent_id
        where cardinality(down.trees) < 100
    )
    update dure.agent a set trees = down.trees from down
    where a.tenant_id = p_tenant and a.agent_id = down.agent_id and a.trees is distinct from down.trees
$$;

-- Makes one agent the child of another. Refused: a cycle, and a tree deeper than eight.
create or replace function dure.link_agent(p_tenant text, p_child text, p_parent text, p_protocol text default 'dure', p_settings jsonb default '{}')
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_parent dure.agent;
    v_below  integer;
    v_live   boolean;
begin
    perform dure.lock_tree(p_tenant);
    select * into v_parent from dure.agent where tenant_id = p_tenant and agent_id = p_parent;
    if not found then
        perform dure.raise_error('not_found', 'parent_id', format('there is no agent %s', p_parent),
                                 jsonb_build_object('what', 'agent', 'id', p_parent));
    elsif p_child = any (v_parent.trees) then
        perform dure.raise_error('conflict', 'parent_id', format('%s stands above %s already', p_child, p_parent),
                                 jsonb_build_object('reason', 'hierarchy_cycle', 'parent', p_parent, 'child', p_child));
    end if;
    with recursive down as (
        select p_child collate "C" as agent_id, 1 as n
        union all
        select l.child_id, down.n + 1 from down join dure.agent_link l on l.tenant_id = p_tenant and l.parent_id = down.agent_id
        where down.n < 100
    )
    select max(n) into v_below from down;
    if cardinality(v_parent.trees) + v_below > 8 then
        perform dure.raise_error('conflict', 'parent_id', 'a tree of agents may be eight deep',
                                 jsonb_build_object('reason', 'hierarchy_too_deep', 'most', 8, 'parent', p_parent));
    end if;
    v_live := (select epoch is not null from dure.agent where tenant_id = p_tenant and agent_id = p_child);
    insert into dure.agent_link (tenant_id, child_id, parent_id, protocol, settings, state, connected_at)
    values (p_tenant, p_child, p_parent, coalesce(p_protocol, 'dure'), coalesce(p_settings, '{}'),
            case when v_live then 'connected' else 'disconnected' end, case when v_live then dure.now() end)
    on conflict (tenant_id, child_id) do update set parent_id = excluded.parent_id, protocol = coalesce(p_protocol, agent_link.protocol),
        settings = coalesce(p_settings, agent_link.settings), state = excluded.state,
        connected_at = coalesce(excluded.connected_at, agent_link.connected_at), orphaned_at = null, revision = agent_link.revision + 1;
    perform dure.plant(p_tenant, p_child);
end $$;

-- What is wrong with a registration, or null. Limits: see also the columns' own checks.
create or replace function dure.check_agent(p_agent jsonb) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    v_name text;
begin
    foreach v_name in array array['agent_id', 'class', 'version'] loop
        if p_agent ->> v_name is null then
            perform dure.raise_error('missing', v_name, format('%s is missing', v_name));
        end if;
    end loop;
    if p_agent ->> 'agent_id' !~ '^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$' then
        perform dure.raise_error('wrong_format', 'agent_id', 'an agent''s id has letters, digits and . _ : @ / -', '{"expected": "research-1"}');
    elsif p_agent ->> 'class' !~ '^[a-z0-9][a-z0-9._-]{0,99}$' then
        perform dure.raise_error('wrong_format', 'class', 'a class has small letters, digits and . _ -', '{"expected": "research"}');
    elsif p_agent ->> 'version' !~ '^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,60})?(\+[0-9A-Za-z.-]{1,60})?$' then
        perform dure.raise_error('wrong_format', 'version', 'a version is semantic', '{"expected": "1.9.0"}');
    elsif coalesce(p_agent ->> 'kind', 'child') not in ('parent', 'child', 'external') then
        perform dure.raise_error('not_one_of', 'kind', 'an agent is a parent, a child or external', '{"expected": "parent, child, external"}');
    elsif jsonb_typeof(coalesce(p_agent -> 'capabilities', '[]')) <> 'array' or jsonb_array_length(coalesce(p_agent -> 'capabilities', '[]')) > 100
          or exists (select from jsonb_array_elements_text(coalesce(p_agent -> 'capabilities', '[]')) c where c !~ '^[a-z0-9][a-z0-9._:-]{0,99}$') then
        perform dure.raise_error('wrong_format', 'capabilities', 'capabilities are up to 100 names of small letters, digits and . _ : -',
                                 '{"expected": "search"}');
    elsif coalesce((p_agent ->> 'lease_s')::double precision not between 1 and 3600, false) then
        perform dure.raise_error('out_of_range', 'lease_s', 'a lease has 1 to 3600 seconds', '{"min": 1, "max": 3600}');
    elsif coalesce((p_agent ->> 'capacity')::double precision not between 1 and 10000, false) then
        perform dure.raise_error('out_of_range', 'capacity', 'a capacity is 1 to 10000', '{"min": 1, "max": 10000}');
    end if;
end $$;

-- An agent says that it is there; answers its session. The same agent once more begins a new session and ends the old one: what
-- that one held goes back into line, and whatever it still sends is refused.
create or replace function dure.register_agent(p_tenant text, p_agent jsonb, p_key uuid default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(p_tenant);
    v_id     text := p_agent ->> 'agent_id';
    v_kind   text := coalesce(p_agent ->> 'kind', 'child');
    v_lease  real;
    v_old    dure.agent;
    v_new    dure.agent;
    v_advice jsonb;
    v_epoch  bigint;
begin
    perform dure.check_agent(p_agent);
    perform dure.begin_agents(v_tenant);
    v_lease := coalesce((p_agent ->> 'lease_s')::real, case v_kind when 'child' then 10 else 30 end);
    -- Two that register under one id wait for each other here, also while there is no row yet.
    perform pg_advisory_xact_lock(hashtext('dure.agent'), hashtext(v_tenant || ' ' || v_id));
    perform from dure.worker w join dure.agent a on a.epoch = w.worker_id
    where a.tenant_id = v_tenant and a.agent_id = v_id for update of w;
    if p_agent ->> 'parent_id' is not null then
        perform dure.lock_tree(v_tenant);
    end if;
    select * into v_old from dure.agent where tenant_id = v_tenant and agent_id = v_id for update;
    perform dure.check_owner(v_old, p_key);
    v_advice := dure.advise(v_tenant, p_agent ->> 'class', p_agent ->> 'version', v_id);
    if not (v_advice ->> 'admitted')::boolean then
        perform dure.raise_error('conflict', 'version',
            format('version %s of %s is not taken any more: upgrade to %s', p_agent ->> 'version', p_agent ->> 'class', v_advice ->> 'upgrade_to'),
            jsonb_build_object('reason', 'agent_incompatible', 'class', p_agent ->> 'class', 'version', p_agent ->> 'version',
                               'upgrade_to', coalesce(v_advice ->> 'upgrade_to', '')));
    end if;
    insert into dure.worker (name, host, pid, queues, version, lease_s, lease_until, tenant_id, agent_id)
    values (v_id, coalesce(p_agent ->> 'location', ''), 0, '{agents}', p_agent ->> 'version', v_lease,
            dure.now() + make_interval(secs => v_lease), v_tenant, v_id)
    returning worker_id into v_epoch;
    insert into dure.agent as a (tenant_id, agent_id, kind, class, version, capabilities, trees, location, endpoints, labels, protocol, capacity,
                                 on_death, lease_s, key_id, epoch, target_version, hold)
    values (v_tenant, v_id, v_kind, p_agent ->> 'class', p_agent ->> 'version',
            array(select distinct c from jsonb_array_elements_text(coalesce(p_agent -> 'capabilities', '[]')) c order by c), array[v_id],
            coalesce(p_agent ->> 'location', ''), coalesce(p_agent -> 'endpoints', '{}'), coalesce(p_agent -> 'labels', '{}'),
            coalesce(p_agent ->> 'protocol', 'claim'), coalesce((p_agent ->> 'capacity')::integer, 1), coalesce(p_agent ->> 'on_death', 'parent'),
            v_lease, p_key, v_epoch, v_advice ->> 'upgrade_to', nullif(v_advice -> 'hold', 'null'))
    on conflict (tenant_id, agent_id) do update set
        kind = excluded.kind, class = excluded.class, version = excluded.version, capabilities = excluded.capabilities,
        location = excluded.location, endpoints = excluded.endpoints, labels = excluded.labels, protocol = excluded.protocol,
        capacity = excluded.capacity, on_death = excluded.on_death, lease_s = excluded.lease_s, key_id = excluded.key_id,
        epoch = excluded.epoch, target_version = excluded.target_version, hold = excluded.hold, revision = a.revision + 1,
        registered_at = dure.now(), suspected_at = null, died_at = null, reaped_at = null
    returning * into v_new;
    -- Only now: the old session is not this agent's any more, so its end is no death.
    if v_old.epoch is not null then
        perform dure.bury(array[v_old.epoch]);
    end if;
    if p_agent ->> 'parent_id' is not null then
        perform dure.link_agent(v_tenant, v_id, p_agent ->> 'parent_id', p_agent ->> 'link_protocol', p_agent -> 'link_settings');
    else
        update dure.agent_link set state = 'connected', connected_at = dure.now()
        where tenant_id = v_tenant and child_id = v_id and parent_id is not null;
    end if;
    perform dure.agent_event(v_tenant, 'agent:' || v_id, 'register', v_id, jsonb_build_object('epoch', v_epoch, 'version', v_new.version));
    perform dure.agent_told(v_new, 'agents.discovery', 'registered',
                            jsonb_build_object('capabilities', to_jsonb(v_new.capabilities), 'kind', v_kind, 'again', v_old.agent_id is not null));
    return jsonb_build_object('agent_id', v_id, 'epoch', v_epoch, 'lease_s', v_lease, 'upgrade_to', v_new.target_version, 'hold', v_new.hold,
                              'state', dure.agent_state(v_new));
end $$;

-- An id belongs to the key that registered it, for as long as that key is good. One that was registered without a key, before
-- there were any, is free as soon as its session is over.
create or replace function dure.check_owner(p_agent dure.agent, p_key uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if p_agent.agent_id is null then
        return;
    elsif p_agent.retired_at is not null then
        perform dure.raise_error('conflict', 'agent_id', format('agent %s is retired', p_agent.agent_id),
                                 jsonb_build_object('reason', 'agent_retired', 'agent', p_agent.agent_id));
    elsif p_agent.key_id is distinct from p_key and ((p_agent.key_id is null and p_agent.epoch is not null) or exists (
            select from dure.api_key k where k.key_id = p_agent.key_id and k.revoked_at is null
              and (k.expires_at is null or k.expires_at > dure.now()))) then
        perform dure.raise_error('conflict', 'agent_id', format('agent %s belongs to another key', p_agent.agent_id),
                                 jsonb_build_object('reason', 'agent_taken', 'agent', p_agent.agent_id));
    end if;
end $$;

-- Many renewals in one small write; those whose session is over are not in the answer. Each row is looked up by itself ("offset 0"):
-- when ten thousand have just registered and nobody has counted them yet, the planner would rather read them all.
create or replace function dure.renew_agents(p_epochs bigint[], p_loads jsonb[])
returns table (epoch bigint, tenant_id text, agent_id text, lease_until timestamptz, draining boolean, upgrade_to text, hold jsonb, cancel jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
    v_now timestamptz := dure.now();
begin
    -- In order, so that two batches cannot wait for each other.
    perform from (select e.epoch from unnest(p_epochs) as e(epoch) order by e.epoch) e
    cross join lateral (select from dure.worker w where w.worker_id = e.epoch and w.ended_at is null offset 0 for no key update) w;
    update dure.worker w set lease_until = v_now + make_interval(secs => w.lease_s),
        load = coalesce(p_loads[array_position(p_epochs, w.worker_id)], w.load)
    where w.ctid = any (array(
        select s.spot from unnest(p_epochs) as e(epoch)
        cross join lateral (select w.ctid as spot from dure.worker w
                            where w.worker_id = e.epoch and w.ended_at is null and w.agent_id is not null offset 0) s));
    update dure.agent a set suspected_at = null where a.epoch = any (p_epochs) and a.suspected_at is not null;
    return query
        select a.epoch, a.tenant_id, a.agent_id, w.lease_until, a.draining_at is not null, a.target_version, a.hold,
               (select jsonb_agg(jsonb_build_object('task_id', c.job_id, 'reason', c.reason)) from dure.cancellation c where c.worker_id = a.epoch)
        from unnest(p_epochs) as e(epoch)
        cross join lateral (select * from dure.agent a where a.epoch = e.epoch offset 0) a
        cross join lateral (select w.lease_until from dure.worker w where w.worker_id = e.epoch and w.ended_at is null offset 0) w;
end $$;

-- For plain SQL: one renewal. Without an epoch it is that of the present session.
create or replace function dure.renew_agent(p_tenant text, p_agent text, p_epoch bigint default null, p_load jsonb default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(p_tenant);
    v_epoch  bigint := (select a.epoch from dure.agent a where a.tenant_id = v_tenant and a.agent_id = p_agent);
    v_answer jsonb;
begin
    if v_epoch is not null and v_epoch = coalesce(p_epoch, v_epoch) then
        select to_jsonb(r) into v_answer from dure.renew_agents(array[v_epoch], array[p_load]) r;
    end if;
    if v_answer is null then
        perform dure.raise_error('lease_lost', 'agent_id', format('agent %s has no such session: register again', p_agent),
                                 jsonb_build_object('id', p_agent));
    end if;
    return v_answer;
end $$;

-- Puts what waits for one agent, chosen by a strategy, back into the line of what it needs: whoever can may take it now.
-- What names the agent itself stays. Answers how many.
create or replace function dure.unassign(p_tenant text, p_agent text, p_reason text) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_ids uuid[];
begin
    select array_agg(j.id order by j.id) into v_ids
    from dure.task t join dure.job j on j.id = t.job_id
    where t.tenant_id = p_tenant and t.agent_id = p_agent and t.strategy not in ('direct', 'broadcast') and j.state = 'pending';
    if v_ids is null then
        return 0;
    end if;
    perform from dure.job where id = any (v_ids) order by id for no key update;
    perform dure.unplace(v_ids);
    update dure.job j set lane_id = dure.lane_of(p_tenant, n.queue, j.handler)
    from dure.task t join dure.need n on n.need_id = t.need_id
    where j.id = any (v_ids) and t.job_id = j.id and j.state = 'pending';
    insert into dure.choice (tenant_id, job_id, strategy, chosen, reason)
    select p_tenant, t.job_id, t.strategy, null, jsonb_build_object('code', p_reason, 'agent', p_agent)
    from dure.task t where t.job_id = any (v_ids);
    update dure.task set agent_id = null where job_id = any (v_ids);
    perform dure.place(v_ids);
    return cardinality(v_ids);
end $$;

-- What the end of agents' sessions means: who is below them, what waits for them, who is told. Called by dure.bury.
create or replace function dure.agents_died(p_workers bigint[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_agent dure.agent;
    v_tasks integer;
    v_left  boolean;
begin
    perform dure.lock_tree(t.tenant_id)
    from (select distinct tenant_id from dure.agent where epoch = any (p_workers) order by tenant_id) t;
    for v_agent in select * from dure.agent where epoch = any (p_workers) order by tenant_id, agent_id for update loop
        update dure.agent set epoch = null, died_at = dure.now() where tenant_id = v_agent.tenant_id and agent_id = v_agent.agent_id;
        update dure.agent_link set state = 'disconnected', disconnected_at = dure.now()
        where tenant_id = v_agent.tenant_id and child_id = v_agent.agent_id and state = 'connected';
        v_left := exists (select from dure.worker w where w.worker_id = v_agent.epoch and w.end_reason = 'stopped');
        -- One that went in order may be back in a moment, with a new version: its children wait for a lease, see dure.tend_agents.
        if v_agent.on_death <> 'keep' and not v_left then
            perform dure.leave_children(v_agent, v_agent.on_death = 'parent');
        end if;
        v_tasks := dure.unassign(v_agent.tenant_id, v_agent.agent_id, 'agent_died');
        -- It has lost nothing then: a release is not judged by that.
        if not v_left then
            perform dure.sample(v_agent.tenant_id, v_agent.agent_id, v_agent.class, v_agent.version, 'lease_lost', false, null);
        end if;
        perform dure.agent_event(v_agent.tenant_id, 'dure', case when v_left then 'leave' else 'die' end, v_agent.agent_id,
                                 jsonb_build_object('epoch', v_agent.epoch));
        perform dure.agent_told(v_agent, 'agents.heartbeat', case when v_left then 'left' else 'dead' end, jsonb_build_object('epoch', v_agent.epoch, 'tasks_moved', v_tasks));
    end loop;
end $$;

-- An agent's children go to its parent; where there is none, or that is not wanted, they are orphans and somebody is told.
create or replace function dure.leave_children(p_agent dure.agent, p_to_parent boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_parent text;
    v_child  text;
begin
    if not exists (select from dure.agent_link where tenant_id = p_agent.tenant_id and parent_id = p_agent.agent_id) then
        return;
    end if;
    if p_to_parent then
        select parent_id into v_parent from dure.agent_link where tenant_id = p_agent.tenant_id and child_id = p_agent.agent_id;
    end if;
    for v_child in
        update dure.agent_link l set parent_id = v_parent, revision = l.revision + 1,
            state = case when v_parent is null then 'orphaned' else l.state end,
            orphaned_at = case when v_parent is null then dure.now() end
        where l.tenant_id = p_agent.tenant_id and l.parent_id = p_agent.agent_id returning l.child_id
    loop
        perform dure.plant(p_agent.tenant_id, v_child);
        perform dure.agent_event(p_agent.tenant_id, 'dure', case when v_parent is null then 'orphan' else 'adopt' end, v_child,
                                 jsonb_build_object('from', p_agent.agent_id, 'to', v_parent));
        if v_parent is null then
            perform dure.agent_told(p_agent, 'agents.orchestrator', 'orphaned', jsonb_build_object('child', v_child));
        end if;
    end loop;
end $$;

-- As before, and agents whose session this was have died.
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
    perform dure.agents_died(p_workers);
    return cardinality(v_held);
end $$;

-- Ends sessions from outside, at once: what they hold goes back into line and does not count as a crash, and whatever they
-- still send is refused. They may register again. Answers how many sessions that were.
create or replace function dure.fence_agents(p_tenant text, p_agents text[], p_reason text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_epochs bigint[];
begin
    v_epochs := array(select w.worker_id from dure.worker w join dure.agent a on a.epoch = w.worker_id
                      where a.tenant_id = p_tenant and a.agent_id = any (p_agents) order by w.worker_id for update of w);
    perform dure.settle(coalesce((
        select jsonb_agg(jsonb_build_object('id', j.id, 'claim_id', j.claim_id, 'outcome', 'released'))
        from dure.claim c cross join lateral unnest(c.job_ids) as i(id)
        join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
        where c.worker_id = any (v_epochs)), '[]'),
        array(select claim_id from dure.claim where worker_id = any (v_epochs)));
    perform dure.agent_event(p_tenant, 'dure', 'fence', a.agent_id, jsonb_build_object('reason', p_reason, 'epoch', a.epoch))
    from dure.agent a where a.epoch = any (v_epochs);
    perform dure.bury(v_epochs, 'stopped');
    return cardinality(v_epochs);
end $$;

-- No more work for an agent and, if so asked, for all below it; what they have in hand they finish.
create or replace function dure.drain_agents(p_tenant text, p_agent text, p_cascade boolean, p_actor text) returns text[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_agent dure.agent;
    v_all   text[] := '{}';
begin
    perform dure.own_agent(p_tenant, p_agent);
    perform dure.lock_tree(p_tenant);
    for v_agent in
        select * from dure.agent a where a.tenant_id = p_tenant and a.retired_at is null and a.draining_at is null
          and (a.agent_id = p_agent or (p_cascade and a.trees @> array[p_agent])) order by a.agent_id for update
    loop
        update dure.agent set draining_at = dure.now(), revision = revision + 1 where tenant_id = p_tenant and agent_id = v_agent.agent_id;
        perform dure.unassign(p_tenant, v_agent.agent_id, 'agent_draining');
        perform dure.agent_event(p_tenant, p_actor, 'drain', v_agent.agent_id);
        perform dure.agent_told(v_agent, 'agents.heartbeat', 'draining');
        v_all := v_all || v_agent.agent_id;
    end loop;
    return v_all;
end $$;

-- A drained or retired agent may work again; a retired one must register first.
create or replace function dure.resume_agents(p_tenant text, p_agent text, p_cascade boolean, p_actor text) returns text[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_agent dure.agent;
    v_all   text[] := '{}';
begin
    perform dure.own_agent(p_tenant, p_agent);
    perform dure.lock_tree(p_tenant);
    for v_agent in
        select * from dure.agent a where a.tenant_id = p_tenant and (a.retired_at is not null or a.draining_at is not null)
          and (a.agent_id = p_agent or (p_cascade and a.trees @> array[p_agent])) order by a.agent_id for update
    loop
        update dure.agent set draining_at = null, retired_at = null, revision = revision + 1
        where tenant_id = p_tenant and agent_id = v_agent.agent_id;
        perform dure.agent_event(p_tenant, p_actor, 'resume', v_agent.agent_id);
        perform pg_notify('dure_task', p_tenant || ' agent:' || v_agent.agent_id);
        v_all := v_all || v_agent.agent_id;
    end loop;
    return v_all;
end $$;

-- An agent leaves for good: its session ends now, its children are left as its policy says, what waits for it by name fails.
create or replace function dure.retire_agent(p_tenant text, p_agent text, p_actor text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_agent dure.agent := dure.own_agent(p_tenant, p_agent);
begin
    if v_agent.retired_at is not null then
        return;
    end if;
    perform dure.fence_agents(p_tenant, array[p_agent], 'retired');
    perform dure.lock_tree(p_tenant);
    update dure.agent set retired_at = dure.now(), draining_at = null, hold = null, target_version = null, revision = revision + 1
    where tenant_id = p_tenant and agent_id = p_agent returning * into v_agent;
    perform dure.leave_children(v_agent, v_agent.on_death <> 'escalate');
    perform dure.fail_named(v_agent, 'AgentRetired', format('agent %s is retired', p_agent));
    perform dure.agent_event(p_tenant, p_actor, 'retire', p_agent);
    perform dure.agent_told(v_agent, 'agents.discovery', 'retired');
end $$;

create or replace function dure.own_agent(p_tenant text, p_agent text) returns dure.agent
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_agent dure.agent;
begin
    select * into v_agent from dure.agent where tenant_id = p_tenant and agent_id = p_agent;
    if not found then
        perform dure.raise_error('not_found', 'agent_id', format('there is no agent %s', p_agent), jsonb_build_object('what', 'agent', 'id', p_agent));
    end if;
    return v_agent;
end $$;

-- Tasks that nobody but a certain agent may do, and that wait, when it will not come back.
create or replace function dure.fail_named(p_agent dure.agent, p_class text, p_error text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    select dure.end_jobs(array(
        select j.id from dure.task t join dure.job j on j.id = t.job_id
        where t.tenant_id = p_agent.tenant_id and t.agent_id = p_agent.agent_id and t.strategy in ('direct', 'broadcast') and j.state = 'pending'
        order by j.id), 'failed', p_class, p_error)
$$;

grant execute on function dure.register_agent, dure.renew_agent to dure_app;
revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
