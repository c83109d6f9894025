-- Runs: an operation's plan, its approval, its application, and the ledger that leads back.
--
-- A plan's changes are written once and never updated: dure.change is the plan and the ledger in one, because it holds
-- the exact record before each change and apply compares with just that. What apply adds is a chunk's row, and an outcome
-- only for what did not go as planned; so a million changes are applied with a few hundred small writes beside them.
--
--   change   what is intended, with before and after (text output of each column, in the order that the run's store says)
--   chunk    changes that are applied together: in one transaction (tables), or one after the other (outside stores)
--   outcome  what became of a change that did not simply do as planned, and of each change of an outside store
--
-- Lock order, everywhere: the run, then its chunk, then the records, then the outcomes.

create table if not exists dure.operation (
    operation     text collate "C" primary key check (operation ~ '^[a-z0-9_-]+(\.[a-z0-9_-]+)*$' and length(operation) <= 200),
    description   text not null default '',
    params_schema jsonb,
    stores        jsonb not null default '[]',
    guards        jsonb not null default '{}',
    approval      text not null default 'none' check (approval in ('none', 'one', 'other')),
    expires_s     real not null default 86400 check (expires_s > 0),
    declared_at   timestamptz not null default dure.now()
);
comment on table dure.operation is 'Handlers that change data through a plan. approval: who must have said yes before it is applied.';
grant select on dure.operation to dure_app;
grant select, insert, update, delete on dure.operation to dure_system;

create table if not exists dure.run (
    id            uuid primary key default dure.uuid7(),
    tenant_id     text collate "C" not null check (length(tenant_id) between 1 and 100),
    operation     text collate "C" not null,
    rollback_of   uuid references dure.run,
    mode          text check (mode in ('strict', 'clean_only', 'force')),
    params        jsonb not null default '{}' check (jsonb_typeof(params) = 'object'),
    author        text not null check (length(author) between 1 and 200),
    note          text not null default '' check (length(note) <= 2000),
    then_do       text not null default 'plan' check (then_do in ('plan', 'apply')),
    state         text not null default 'planning' check (state in ('planning', 'planned', 'approved', 'applying', 'applied',
                      'partial', 'failed', 'cancelled', 'rejected', 'expired', 'refused', 'empty')),
    reason        jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    stores        jsonb not null default '[]' check (jsonb_typeof(stores) = 'array'),
    counts        jsonb not null default '{}' check (jsonb_typeof(counts) = 'object'),
    guards        jsonb not null default '[]' check (jsonb_typeof(guards) = 'array'),
    notes         jsonb not null default '[]' check (jsonb_typeof(notes) = 'array'),
    population    bigint check (population >= 0),
    plan_hash     text check (plan_hash ~ '^[0-9a-f]{64}$'),
    job_id        uuid,
    paused_at     timestamptz,
    paused_by     text,
    stop_asked_at timestamptz,
    stop_asked_by text,
    created_at    timestamptz not null default dure.now(),
    planned_at    timestamptz,
    expires_at    timestamptz,
    started_at    timestamptz,
    finished_at   timestamptz,
    check ((rollback_of is null) = (mode is null)),
    check (state in ('planning', 'failed', 'cancelled', 'empty', 'refused') or plan_hash is not null)
);
comment on table dure.run is 'One execution of an operation, and one of a way back. A dry run is a run that stopped at planned.';
create index if not exists run_tenant on dure.run (tenant_id, id desc);
create index if not exists run_operation on dure.run (tenant_id, operation, id desc);
create index if not exists run_open on dure.run (state, id) where state in ('planning', 'planned', 'approved', 'applying');
create index if not exists run_rollback_of on dure.run (rollback_of) where rollback_of is not null;
call dure.protect('dure.run');
grant select on dure.run to dure_app;
grant select, insert, update, delete on dure.run to dure_system;

create table if not exists dure.slice (
    run_id     uuid not null references dure.run on delete cascade,
    no         integer not null check (no >= 0),
    tenant_id  text collate "C" not null,
    subjects   jsonb not null check (jsonb_typeof(subjects) = 'array'),
    planned_at timestamptz,
    primary key (run_id, no)
);
comment on table dure.slice is 'Subjects that are planned together, by one job.';
call dure.protect('dure.slice');
grant select on dure.slice to dure_app;
grant select, insert, update, delete on dure.slice to dure_system;

create table if not exists dure.run_scope (
    run_id     uuid not null references dure.run on delete cascade,
    slice      integer not null,
    scope      text not null check (length(scope) <= 500),
    tenant_id  text collate "C" not null,
    population bigint not null check (population >= 0),
    primary key (run_id, slice, scope)
);
comment on table dure.run_scope is 'How many records each scope holds, as its planner counted them: what guards compare with.';
call dure.protect('dure.run_scope');
grant select on dure.run_scope to dure_app;
grant select, insert, update, delete on dure.run_scope to dure_system;

create table if not exists dure.change (
    run_id    uuid not null,
    seq       bigint not null check (seq > 0),
    chunk     integer not null check (chunk >= 0),
    tenant_id text collate "C" not null,
    store     text collate "C" not null,
    kind      text not null check (kind in ('create', 'update', 'delete', 'move', 'keep')),
    ask       boolean not null default false,
    unit      bigint,
    undoes    bigint,
    subject   text,
    scope     text not null default '',
    key       text[] not null check (cardinality(key) > 0),
    to_key    text[],
    before    text[],
    after     text[],
    revision  text,
    reason    jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    primary key (run_id, seq),
    check ((before is null) = (kind = 'create') or kind = 'keep'),
    check ((after is not null) = (kind in ('create', 'update')) or kind in ('keep', 'move'))
);
comment on table dure.change is 'What a run intends to do to one record, with the record before and after; never updated. '
    'ask: done only when a person said yes (dure.answer). unit: changes of one unit are done together or not at all. '
    'undoes: the seq of the change that a rollback takes back.';
call dure.protect('dure.change');
grant select on dure.change to dure_app;
grant select, insert, delete on dure.change to dure_system;

create table if not exists dure.chunk (
    run_id      uuid not null references dure.run on delete cascade,
    no          integer not null check (no >= 0),
    tenant_id   text collate "C" not null,
    place       text not null check (place in ('tables', 'outside')),
    first_seq   bigint not null,
    last_seq    bigint not null check (last_seq >= first_seq),
    changes     integer not null check (changes >= 0),
    hash        text not null,
    state       text not null default 'planned' check (state in ('planned', 'applying', 'done')),
    round       smallint not null default 0 check (round >= 0),
    job_id      uuid,
    applied     integer not null default 0,
    conflicts   integer not null default 0,
    failed      integer not null default 0,
    skipped     integer not null default 0,
    started_at  timestamptz,
    finished_at timestamptz,
    primary key (run_id, no)
) with (fillfactor = 60);
comment on table dure.chunk is 'Changes that are applied together. Done is written in the transaction that does them. '
    'round 0 does every change; a later one, asked for by a retry, only those whose outcome is intended again.';
call dure.protect('dure.chunk');
grant select on dure.chunk to dure_app;
grant select, insert, update, delete on dure.chunk to dure_system;

create table if not exists dure.outcome (
    run_id     uuid not null,
    seq        bigint not null,
    tenant_id  text collate "C" not null,
    state      text not null check (state in ('intended', 'applied', 'conflict', 'failed', 'skipped')),
    reason     jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    after      text[],
    revision   text,
    tries      integer not null default 1,
    at         timestamptz not null default dure.now(),
    primary key (run_id, seq)
);
comment on table dure.outcome is 'What became of a change that did not simply do as planned, and of each one outside. '
    'intended: written before the call; after a crash the store is asked what happened.';
call dure.protect('dure.outcome');
grant select on dure.outcome to dure_app;
grant select, insert, update, delete on dure.outcome to dure_system;

create table if not exists dure.answer (
    run_id     uuid not null references dure.run on delete cascade,
    seq        bigint not null,
    tenant_id  text collate "C" not null,
    accepted   boolean not null,
    actor      text not null,
    at         timestamptz not null default dure.now(),
    primary key (run_id, seq),
    foreign key (run_id, seq) references dure.change (run_id, seq) on delete cascade
);
comment on table dure.answer is 'What a person said to a question of the plan.';
call dure.protect('dure.answer');
grant select on dure.answer to dure_app;
grant select, insert, update, delete on dure.answer to dure_system;

create table if not exists dure.approval (
    id         bigint generated always as identity primary key,
    run_id     uuid not null references dure.run on delete cascade,
    tenant_id  text collate "C" not null,
    plan_hash  text not null,
    decision   text not null check (decision in ('approve', 'reject', 'override')),
    actor      text not null,
    reason     text not null default '' check (decision <> 'override' or length(reason) > 0),
    at         timestamptz not null default dure.now()
);
comment on table dure.approval is 'Who said what to which plan. An override is for one plan hash, with a reason.';
create index if not exists approval_run on dure.approval (run_id);
call dure.protect('dure.approval');
grant select on dure.approval to dure_app;
grant select, insert, delete on dure.approval to dure_system;

-- The state of a change, for people and programs; security_invoker where there is such a thing, and row-level security
-- of the tables below it everywhere else through the tenant that is named here.
create or replace view dure.changes as
select c.run_id, c.seq, c.chunk, c.tenant_id, c.store, c.kind, c.ask, c.unit, c.undoes, c.subject, c.scope, c.key, c.to_key, c.before, c.after,
       c.reason,
       case when c.kind = 'keep' then 'kept'
            when o.state is not null then o.state
            when c.ask and a.accepted is distinct from true then 'asked'
            when k.state = 'done' or k.round > 0 then 'applied'
            else 'planned' end as state,
       o.reason as outcome, o.after as found, a.accepted, a.actor as answered_by
from dure.change c
left join dure.outcome o on o.run_id = c.run_id and o.seq = c.seq
left join dure.answer a on a.run_id = c.run_id and a.seq = c.seq
left join dure.chunk k on k.run_id = c.run_id and k.no = c.chunk
where (select dure.is_system()) or c.tenant_id = (select dure.tenant_id());
comment on view dure.changes is 'Every change with the state that follows from its chunk, its outcome and its answer.';
grant select on dure.changes to dure_app, dure_system;

-- The lower ids of older programs: batch_YYYYMMDD_HHMMSS_xxxxxxxx, in UTC, from the id alone.
create or replace function dure.batch_id(p_id uuid) returns text
language sql immutable strict parallel safe
return 'batch_' || to_char(
    to_timestamp(('x' || substr(replace(p_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) at time zone 'UTC',
    'YYYYMMDD_HH24MISS') || '_' || right(p_id::text, 8);
comment on function dure.batch_id(uuid) is 'The name of a run in the words of older programs.';
grant execute on function dure.batch_id(uuid) to dure_app, dure_system;

-- When an outside store may be called next: all workers together keep to its rate by moving this time on.
create table if not exists dure.pace (
    store   text collate "C" primary key check (length(store) between 1 and 200),
    next_at timestamptz not null
) with (fillfactor = 50);
comment on table dure.pace is 'The next call that each outside store bears.';
grant select, insert, update, delete on dure.pace to dure_system;

-- How many changes of a run rollbacks have taken back, less what was put again by rollbacks of those: from the chunks' sums.
create or replace function dure.undone_count(p_run uuid) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (select coalesce(sum(back.applied - dure.undone_count(back.id)), 0) from (
        select r.id, (select coalesce(sum(k.applied), 0) from dure.chunk k where k.run_id = r.id) as applied
        from dure.run r where r.rollback_of = p_run) back);
end $$;
grant execute on function dure.undone_count(uuid) to dure_app, dure_system;

-- What changes of a plan hold, as one hash. A row's text form quotes whatever could be mistaken, so no two rows share one; each
-- row is hashed by itself first, so that a chunk of large records never stands in memory as one text.
create or replace function dure.hash_changes(p_run uuid, p_first bigint, p_last bigint) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select encode(sha256(coalesce(string_agg(sha256(convert_to(
        row(c.seq, c.store, c.kind, c.ask, c.unit, c.key, c.to_key, c.before, c.after)::text, 'UTF8')), ''::bytea order by c.seq), ''::bytea)), 'hex')
    from dure.change c where c.run_id = p_run and c.seq between p_first and p_last
$$;
comment on function dure.hash_changes(uuid, bigint, bigint) is 'The sha256 of a run''s changes from one seq to another, in order.';

create or replace function dure.hash_changes(p_run uuid, p_chunk integer) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select dure.hash_changes(p_run, min(c.seq), max(c.seq)) from dure.change c
    where c.run_id = p_run and c.chunk = p_chunk
      and c.seq > (p_chunk / 10000)::bigint * 10000000 and c.seq < (p_chunk / 10000 + 1)::bigint * 10000000
$$;
comment on function dure.hash_changes(uuid, integer) is 'The same of one chunk; reads its whole slice to find it.';
grant execute on function dure.hash_changes(uuid, bigint, bigint), dure.hash_changes(uuid, integer) to dure_app, dure_system;

-- Which changes of a run rollbacks have taken back and nothing has put again since; a rollback can itself be rolled back, to
-- any depth. Index: run_rollback_of, change's primary key.
create or replace function dure.undone(p_run uuid) returns setof bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_back uuid;
begin
    for v_back in select r.id from dure.run r where r.rollback_of = p_run order by r.id loop
        return query
            select c.undoes from dure.changes c
            where c.run_id = v_back and c.undoes is not null and c.state = 'applied'
              and not exists (select from dure.undone(v_back) again(seq) where again.seq = c.seq);
    end loop;
end $$;
comment on function dure.undone(uuid) is 'The seqs of a run''s changes that are taken back as things stand.';
grant execute on function dure.undone(uuid) to dure_app, dure_system;

-- The jobs that carry runs and tell of them are Dure's own: they can be asked for before any worker was here.
insert into dure.handler (handler, queue, description, max_retries, timeout_s) values
    ('dure.run.plan', 'dure.runs', 'Plan a run.', 5, 86400),
    ('dure.run.plan_slice', 'dure.runs', 'Plan a slice of a run''s subjects.', 5, 86400),
    ('dure.run.apply', 'dure.runs', 'Apply a run''s plan.', 5, 86400),
    ('dure.run.apply_chunks', 'dure.runs', 'Apply chunks of a run''s plan until there are none left.', 5, 86400),
    ('dure.notice', 'default', 'Tell one target of a run: by a signed webhook, or through Apprise.', 20, 120)
on conflict do nothing;
