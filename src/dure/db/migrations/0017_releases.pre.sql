-- Releases of an agent's class, rollouts from one to another, and what agents did, minute by minute.
--
--   release        a version of a class, and which versions may still work beside it; one is current
--   rollout        the way from one release to another, in steps; all that its controller knows is here
--   rollout_agent  the agents whose turn has come
--   rollout_event  what happened to it, every decision of a gate with its numbers
--   agent_sample   one task, one lost lease or one error, until it is added to its minute
--   agent_minute   what an agent did in a minute, with a histogram of latencies that is merged by adding
--
-- A rollout steers by two columns of dure.agent: target_version tells an agent what to become, hold keeps work from it. What
-- dure.advise answers at registration follows from the same rows.
--
-- Lock order, everywhere: the releases of a class (an advisory lock), its rollout, then sessions and agents as in 0015.

-- A text that sorts, byte by byte, as semantic versions do; null for what is none. dure.agents.versions makes the same.
create or replace function dure.version_key(p_version text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
    select lpad(m[1], 10, '0') || '.' || lpad(m[2], 10, '0') || '.' || lpad(m[3], 10, '0') || coalesce('!' || (
        select string_agg(case when w ~ '^[0-9]+$' then '0' || lpad(w, 10, '0') else '1' || w end, '!' order by n)
        from unnest(string_to_array(m[4], '.')) with ordinality as word(w, n)), '~') collate "C"
    from regexp_match(p_version, '^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})'
        '(?:-((?:0|[1-9][0-9]{0,8}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]{0,8}|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?'
        '(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$') as m
    where m is not null and length(p_version) <= 100
$$;

create table if not exists dure.release (
    id            uuid not null default dure.uuid7() unique,
    tenant_id     text collate "C" not null check (length(tenant_id) between 1 and 200),
    class         text collate "C" not null check (class ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    version       text collate "C" not null,
    version_key   text collate "C" not null generated always as (dure.version_key(version)) stored,
    release_type  text not null check (release_type in ('initial', 'major', 'minor', 'patch', 'prerelease', 'hotfix')),
    compatible    text not null check (length(compatible) between 1 and 250),
    low_key       text collate "C" not null,
    high_key      text collate "C" not null,
    notes         text not null default '' check (length(notes) <= 10000),
    pin_knowledge boolean not null default false,
    pinned_at     timestamptz,
    state         text not null default 'draft' check (state in ('draft', 'current', 'superseded', 'reverted', 'withdrawn')),
    reason        jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    created_by    text not null check (length(created_by) between 1 and 200),
    created_at    timestamptz not null default dure.now(),
    current_at    timestamptz,
    ended_at      timestamptz,
    primary key (tenant_id, class, version),
    check (low_key < high_key),
    check (version_key >= low_key and version_key < high_key),
    check (state <> 'current' or current_at is not null)
);
comment on table dure.release is 'Versions of a class. Agents from low_key on and before high_key may work beside it when it is current. '
    'pinned_at: since when, if a rollout to it is taken back, what its agents learned is taken back too.';
create index if not exists release_tenant on dure.release (tenant_id, id desc);
create unique index if not exists release_key on dure.release (tenant_id, class, version_key);
create unique index if not exists release_current on dure.release (tenant_id, class) where state = 'current';
call dure.protect('dure.release');
grant select on dure.release to dure_app;
grant select, insert, update, delete on dure.release to dure_system;

create table if not exists dure.rollout (
    id             uuid primary key default dure.uuid7(),
    tenant_id      text collate "C" not null,
    class          text collate "C" not null,
    from_version   text collate "C" not null,
    to_version     text collate "C" not null,
    strategy       text not null check (strategy in ('rolling', 'canary', 'blue_green')),
    steps          jsonb not null check (jsonb_typeof(steps) = 'array' and jsonb_array_length(steps) between 1 and 20),
    max_parallel   integer not null check (max_parallel between 1 and 10000),
    min_healthy_s  real not null check (min_healthy_s between 0 and 86400),
    progress_deadline_s real not null check (progress_deadline_s between 1 and 604800),
    auto_promote   boolean not null,
    auto_revert    boolean not null,
    in_flight      text not null check (in_flight in ('drain', 'fence')),
    gates          jsonb not null check (jsonb_typeof(gates) = 'object'),
    state          text not null default 'running' check (state in ('running', 'paused', 'ready', 'promoted', 'reverting', 'reverted', 'failed')),
    reason         jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    step           integer not null default 0 check (step >= 0),
    began_at       timestamptz not null default dure.now(),
    step_began_at  timestamptz not null default dure.now(),
    switched_at    timestamptz,
    settled_at     timestamptz,
    progress_at    timestamptz not null default dure.now(),
    progress       jsonb not null default '{"wanted": 0, "chosen": 0, "healthy": 0}' check (jsonb_typeof(progress) = 'object'),
    judged_at      timestamptz,
    paused_at      timestamptz,
    finished_at    timestamptz,
    looks          jsonb not null default '{}' check (jsonb_typeof(looks) = 'object'),
    verdicts       jsonb not null default '{}' check (jsonb_typeof(verdicts) = 'object'),
    unlearn_job_id uuid,
    author         text not null check (length(author) between 1 and 200),
    revision       integer not null default 1,
    foreign key (tenant_id, class, from_version) references dure.release,
    foreign key (tenant_id, class, to_version) references dure.release,
    check (from_version <> to_version),
    check ((finished_at is null) = (state in ('running', 'paused', 'ready', 'reverting')))
);
comment on table dure.rollout is 'The way of a class from one release to another. settled_at: since when all agents of the step are healthy. '
    'looks: how often each gate has tested in this step, and at how many samples.';
create unique index if not exists rollout_open on dure.rollout (tenant_id, class) where state in ('running', 'paused', 'ready', 'reverting');
create index if not exists rollout_due on dure.rollout (id) where state in ('running', 'reverting');
create index if not exists rollout_tenant on dure.rollout (tenant_id, id desc);
create index if not exists rollout_class on dure.rollout (tenant_id, class, to_version, id desc);
call dure.protect('dure.rollout');
grant select on dure.rollout to dure_app;
grant select, insert, update, delete on dure.rollout to dure_system;

create table if not exists dure.rollout_agent (
    rollout_id uuid not null references dure.rollout on delete cascade,
    agent_id   text collate "C" not null,
    tenant_id  text collate "C" not null,
    step       integer not null,
    chosen_at  timestamptz not null default dure.now(),
    healthy_at timestamptz,
    primary key (rollout_id, agent_id)
);
comment on table dure.rollout_agent is 'Agents whose turn has come: asked to become the new version, or, being it, given work.';
call dure.protect('dure.rollout_agent');
grant select on dure.rollout_agent to dure_app;
grant select, insert, update, delete on dure.rollout_agent to dure_system;

create table if not exists dure.rollout_event (
    id         bigint generated always as identity primary key,
    rollout_id uuid not null references dure.rollout on delete cascade,
    tenant_id  text collate "C" not null,
    at         timestamptz not null default dure.now(),
    actor      text not null,
    kind       text not null check (kind in ('started', 'asked', 'admitted', 'left', 'settled', 'unsettled', 'gate', 'step', 'switched', 'ready',
                   'paused', 'resumed', 'failed', 'reverting', 'reverted', 'promoted')),
    detail     jsonb not null default '{}' check (jsonb_typeof(detail) = 'object')
);
comment on table dure.rollout_event is 'What happened to a rollout. gate: a decision with its numbers.';
create index if not exists rollout_event_rollout on dure.rollout_event (rollout_id, id);
call dure.protect('dure.rollout_event');
grant select on dure.rollout_event to dure_app;
grant select, insert, delete on dure.rollout_event to dure_system;

create table if not exists dure.agent_sample (
    id         bigint generated always as identity primary key,
    tenant_id  text collate "C" not null,
    agent_id   text collate "C" not null,
    class      text collate "C" not null,
    version    text collate "C" not null,
    kind       text not null check (kind in ('task', 'lease_lost', 'error')),
    ok         boolean not null,
    latency_ms double precision check (latency_ms >= 0),
    at         timestamptz not null default dure.now()
);
comment on table dure.agent_sample is 'What was done or went wrong since the last roll-up; a row is removed when it is added to its minute.';
call dure.protect('dure.agent_sample');
grant select on dure.agent_sample to dure_app;
grant select, insert, delete, update on dure.agent_sample to dure_system;

create table if not exists dure.agent_minute (
    tenant_id    text collate "C" not null,
    class        text collate "C" not null,
    minute       timestamptz not null check (extract(epoch from minute) % 60 = 0),
    version      text collate "C" not null,
    agent_id     text collate "C" not null,
    tasks_ok     integer not null default 0 check (tasks_ok >= 0),
    tasks_failed integer not null default 0 check (tasks_failed >= 0),
    errors       integer not null default 0 check (errors >= 0),
    leases_lost  integer not null default 0 check (leases_lost >= 0),
    latency      integer[] not null default '{}' check (cardinality(latency) <= 217),
    primary key (tenant_id, class, minute, version, agent_id)
) with (fillfactor = 70);
comment on table dure.agent_minute is 'What an agent did in a minute. latency: how many tasks fell into each bucket, see dure.latency_bucket; '
    'what stands behind the last bucket is none.';
create index if not exists agent_minute_agent on dure.agent_minute (tenant_id, agent_id, minute);
create index if not exists agent_minute_age on dure.agent_minute (minute);
call dure.protect('dure.agent_minute');
grant select on dure.agent_minute to dure_app;
grant select, insert, update, delete on dure.agent_minute to dure_system;

-- Bucket 0 is up to 0.1 ms; each next bound is a tenth more; the last one, 216, holds all that took a day or longer.
create or replace function dure.latency_bucket(p_ms double precision) returns integer
language sql immutable strict parallel safe
return case when p_ms <= 0.1 then 0 else least(216, ceil(round((ln(p_ms / 0.1) / ln(1.1))::numeric, 9)))::integer end;
comment on function dure.latency_bucket(double precision) is 'Which bucket of agent_minute.latency a latency falls into, from 0.';

create or replace function dure.add_buckets(p_one integer[], p_other integer[]) returns integer[]
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(coalesce(one, 0) + coalesce(other, 0) order by n), '{}')
    from unnest(p_one, p_other) with ordinality as both_of(one, other, n)
$$;

do $$
begin
    if to_regprocedure('dure.sum_buckets(integer[])') is null then
        create aggregate dure.sum_buckets(integer[]) (sfunc = dure.add_buckets, stype = integer[], initcond = '{}');
    end if;
end $$;

create or replace function dure.sample(p_tenant text, p_agent text, p_class text, p_version text, p_kind text, p_ok boolean,
                                       p_latency_ms double precision) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    insert into dure.agent_sample (tenant_id, agent_id, class, version, kind, ok, latency_ms)
    values (p_tenant, p_agent, p_class, p_version, p_kind, p_ok, greatest(p_latency_ms, 0))
$$;
comment on function dure.sample(text, text, text, text, text, boolean, double precision) is 'Notes one task, lost lease or error of an agent.';

-- A release with the usual range: its major version, before 1.0.0 its minor one. The first of a class is current. Answers whether
-- it was made now; a second time changes nothing.
create or replace function dure.make_release(p_tenant text, p_class text, p_version text, p_release_type text, p_notes text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_key  text := dure.version_key(p_version);
    v_core text[] := string_to_array(split_part(split_part(p_version, '-', 1), '+', 1), '.');
    v_next text;
begin
    if v_key is null then
        perform dure.raise_error('invalid', 'version', format('%s is no version', p_version),
                                 jsonb_build_object('reason', 'wrong_format', 'expected', '1.8.3, 2.0.0-rc.1'));
    end if;
    v_next := case when v_core[1] = '0' then format('%s.%s.', lpad('0', 10, '0'), lpad((v_core[2]::bigint + 1)::text, 10, '0'))
                   else format('%s.%s.', lpad((v_core[1]::bigint + 1)::text, 10, '0'), lpad('0', 10, '0')) end || lpad('0', 10, '0');
    perform pg_advisory_xact_lock(hashtext('dure.release'), hashtext(p_tenant || ' ' || p_class));
    insert into dure.release (tenant_id, class, version, release_type, compatible, low_key, high_key, notes, state, created_by, current_at)
    select p_tenant, p_class, p_version, p_release_type,
           case when v_core[1] = '0' then format('0.%s.x', v_core[2]) else v_core[1] || '.x' end,
           lpad(v_core[1], 10, '0') || '.' || lpad(case when v_core[1] = '0' then v_core[2] else '0' end, 10, '0') || '.' || lpad('0', 10, '0'),
           v_next, coalesce(p_notes, ''), case when first.is_so then 'current' else 'draft' end, 'dure', case when first.is_so then dure.now() end
    from (select not exists (select from dure.release where tenant_id = p_tenant and class = p_class and state = 'current') as is_so) first
    on conflict do nothing;
    return found;
end $$;

-- What an agent that registers is told: whether it may, what to become, and why it gets no work yet.
create or replace function dure.advise(p_tenant text, p_class text, p_version text, p_agent text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_key     text := dure.version_key(p_version);
    v_current dure.release;
    v_own     dure.release;
    v_rollout dure.rollout;
    v_chosen  boolean := false;
begin
    select * into v_current from dure.release where tenant_id = p_tenant and class = p_class and state = 'current';
    select * into v_own from dure.release where tenant_id = p_tenant and class = p_class and version_key = v_key;
    if v_current.version is null and v_own.version is null then
        return dure.advice(true);
    end if;
    select * into v_rollout from dure.rollout
    where tenant_id = p_tenant and class = p_class and state in ('running', 'paused', 'ready', 'reverting');
    if not found and v_own.state = 'draft' then
        -- What failed and was left as it is.
        select * into v_rollout from dure.rollout
        where tenant_id = p_tenant and class = p_class and to_version = v_own.version and state = 'failed' order by id desc limit 1;
    end if;
    if v_rollout.id is not null then
        v_chosen := exists (select from dure.rollout_agent where rollout_id = v_rollout.id and agent_id = p_agent);
    end if;
    if v_own.version = v_rollout.to_version and v_rollout.state <> 'reverting' then
        return dure.advice(true, p_hold => case when not v_chosen then jsonb_build_object('code', 'awaiting_rollout', 'params',
            jsonb_build_object('rollout_id', v_rollout.id, 'version', v_own.version)) end);
    elsif v_own.state in ('withdrawn', 'reverted') or v_own.version = v_rollout.to_version then
        return dure.advice(false, v_current.version, p_reason => jsonb_build_object('code', 'release_' ||
            case when v_own.state = 'withdrawn' then 'withdrawn' else 'reverted' end,
            'params', jsonb_build_object('version', p_version, 'current', v_current.version)));
    elsif v_own.state = 'draft' then
        return dure.advice(true, p_hold => jsonb_build_object('code', 'awaiting_rollout', 'params',
            jsonb_build_object('rollout_id', null, 'version', v_own.version)));
    elsif v_current.version is not null and (v_key is null or v_key < v_current.low_key or v_key >= v_current.high_key) then
        return dure.advice(false, case when v_chosen and v_rollout.state = 'running' then v_rollout.to_version else v_current.version end,
            p_reason => jsonb_build_object('code', 'outside_compatible', 'params',
                jsonb_build_object('version', p_version, 'current', v_current.version, 'compatible', v_current.compatible)));
    elsif v_rollout.switched_at is not null and v_rollout.state in ('running', 'paused', 'ready') then
        return dure.advice(true, p_hold => jsonb_build_object('code', 'rollout_switched', 'params',
            jsonb_build_object('rollout_id', v_rollout.id, 'version', v_rollout.to_version)));
    end if;
    return dure.advice(true, case when v_chosen and v_rollout.state in ('running', 'ready') then v_rollout.to_version end);
end $$;
comment on function dure.advise(text, text, text, text) is 'What an agent of a version is told when it registers.';

create or replace function dure.advice(p_admitted boolean, p_upgrade_to text default null, p_hold jsonb default null, p_reason jsonb default null)
returns jsonb language sql immutable
return jsonb_build_object('admitted', p_admitted, 'upgrade_to', p_upgrade_to, 'hold', p_hold, 'reason', p_reason);

-- Asked for when a rollout to a release that pins knowledge is taken back; the app of agents does it.
insert into dure.handler (handler, queue, description, max_retries, timeout_s)
values ('dure.agents.unlearn', 'default', 'Take back what the agents of a reverted release learned.', 100, 600)
on conflict do nothing;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
