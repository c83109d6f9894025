-- The queue's tables. A job's row is written at its enqueue, its claim and its end, and none of the columns that
-- change is in an index (nor in an index's predicate), so that both later writes are HOT: at a fillfactor of 40 all of
-- them are, and the table ends up smaller than at 50, because a row grows by a third at its claim and its end. Where a job stands in
-- line is a row of its own in one of four narrow tables:
--
--   ready  may start now                     later  may start at run_at
--   held   waits for a limit's capacity      (none) waits for jobs that it depends on: job.blocked_by > 0
--
-- Lock order, everywhere: the place in line, then the job, then what is linked to it.

create table if not exists dure.handler (
    handler             text collate "C" primary key check (handler ~ '^[a-z0-9_-]+(\.[a-z0-9_-]+)*$' and length(handler) <= 200),
    queue               text collate "C" not null default 'default' check (length(queue) between 1 and 100),
    description         text not null default '',
    params_schema       jsonb,
    max_retries         smallint not null default 3 check (max_retries between 0 and 100),
    timeout_s           real check (timeout_s > 0),
    concurrency_max     integer check (concurrency_max > 0),
    rate_max            integer check (rate_max > 0),
    rate_period_s       real check (rate_period_s > 0),
    key_from            text,
    key_concurrency_max integer check (key_concurrency_max > 0),
    key_rate_max        integer check (key_rate_max > 0),
    key_rate_period_s   real check (key_rate_period_s > 0),
    paused_at           timestamptz,
    paused_by           text,
    declared_at         timestamptz not null default dure.now(),
    check ((rate_max is null) = (rate_period_s is null)),
    check ((key_rate_max is null) = (key_rate_period_s is null))
);

create table if not exists dure.queue (
    queue     text collate "C" primary key check (length(queue) between 1 and 100),
    paused_at timestamptz,
    paused_by text
);

-- A lane is a line of jobs that may be claimed or not for the same reasons: one tenant, one queue, one handler. Not unique:
-- the first job of a tenant and handler in a transaction that stays open would hold up everybody else's.
create table if not exists dure.lane (
    lane_id   integer generated always as identity primary key,
    tenant_id text collate "C" not null check (length(tenant_id) between 1 and 200),
    queue     text collate "C" not null,
    handler   text collate "C" not null references dure.handler
);
create index if not exists lane_line on dure.lane (tenant_id, handler, queue, lane_id);

create table if not exists dure.job (
    id           uuid primary key default dure.uuid7(),
    tenant_id    text collate "C" not null,
    handler      text collate "C" not null,
    lane_id      integer not null,
    priority     smallint not null default 0 check (priority between -1000 and 1000),
    state        text collate "C" not null default 'pending'
                 check (state in ('pending', 'processing', 'completed', 'failed', 'cancelled', 'quarantined')),
    linked       boolean not null default false,
    retry_count  smallint not null default 0,
    max_retries  smallint not null default 3,
    crash_count  smallint not null default 0,
    attempt      integer not null default 0,
    blocked_by   integer not null default 0 check (blocked_by >= 0),
    timeout_s    real,
    created_at   timestamptz not null default dure.now(),
    run_at       timestamptz,
    started_at   timestamptz,
    finished_at  timestamptz,
    deadline_at  timestamptz,
    claim_id     bigint,
    worker_id    bigint,
    parent_id    uuid,
    params       jsonb not null default '{}',
    limit_key    text,
    limit_ids    integer[],
    unique_key   text,
    tags         text[],
    result       jsonb,
    error_class  text,
    error        text,
    cancel_requested_at timestamptz,
    check ((finished_at is not null) = (state in ('completed', 'failed', 'cancelled', 'quarantined')))
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);

create index if not exists job_tenant on dure.job (tenant_id, id);
create index if not exists job_parent on dure.job (parent_id, id) where parent_id is not null;

-- A row is a bundle: up to 100 jobs that came into line together, so that neither their enqueue nor their claim costs a
-- row and an index entry each. An id here is a hint, not a fact: a job that was cancelled or made to wait meanwhile
-- stays in its bundle, and the claim, which asks the job itself, passes over it.
create table if not exists dure.ready (
    lane_id  integer not null,
    rank     smallint not null,
    first_id uuid not null,
    ids      uuid[] not null
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index if not exists ready_line on dure.ready (lane_id, rank, first_id);

create table if not exists dure.later (
    run_at timestamptz not null,
    job_id uuid not null
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
create index if not exists later_line on dure.later (run_at, job_id);

-- Limits. What runs is counted by its rows (dure.running), never by a counter that could drift; starts within the
-- period are counted by dure.limit_start. Only dure.claim_limited adds rows, one at a time in the whole database,
-- so that a limit is exact however many workers there are. turn: the tenant that was served last.
--
-- A job under several limits stands in the line of the narrowest. When another of them has no room, the first job of its
-- lane goes over into that one's line (from_id: where it came from) and stands there for all behind it; they stay.
create table if not exists dure.limit (
    limit_id        integer generated always as identity primary key,
    tenant_id       text collate "C" not null default '',
    handler         text collate "C" not null default '',
    limit_key       text collate "C" not null default '',
    concurrency_max integer check (concurrency_max > 0),
    rate_max        integer check (rate_max > 0),
    rate_period_s   real check (rate_period_s > 0),
    turn            text collate "C" not null default '',
    used_at         timestamptz not null default dure.now(),
    check ((rate_max is null) = (rate_period_s is null)),
    unique (tenant_id, handler, limit_key)
);
create table if not exists dure.held (
    limit_id integer not null,
    rank     smallint not null,
    job_id   uuid not null,
    lane_id  integer not null,
    from_id  integer
);
create index if not exists held_from on dure.held (from_id, lane_id) where from_id is not null;
create index if not exists held_line on dure.held (limit_id, lane_id, rank, job_id);
create index if not exists held_job on dure.held (job_id);
create table if not exists dure.running (
    limit_id integer not null,
    job_id   uuid not null,
    primary key (limit_id, job_id)
);
create index if not exists running_job on dure.running (job_id);
create table if not exists dure.limit_start (
    limit_id integer not null,
    at       timestamptz not null
);
create index if not exists limit_start_line on dure.limit_start (limit_id, at);
-- Which limits are worth looking at, and from when: written by whatever adds to a line or frees capacity.
create table if not exists dure.limit_due (
    due_at   timestamptz not null,
    limit_id integer not null
);
create index if not exists limit_due_line on dure.limit_due (due_at);

create table if not exists dure.unique_key (
    tenant_id  text collate "C" not null,
    handler    text collate "C" not null,
    unique_key text collate "C" not null check (length(unique_key) between 1 and 500),
    job_id     uuid not null,
    keep_s     double precision not null default 0 check (keep_s >= 0),
    until      timestamptz,
    primary key (tenant_id, handler, unique_key)
);
create index if not exists unique_key_job on dure.unique_key (job_id);
create index if not exists unique_key_until on dure.unique_key (until) where until is not null;

-- need = 'completed': a dependency that ends otherwise cancels the job. need = 'ended': any end will do.
create table if not exists dure.dependency (
    job_id        uuid not null,
    depends_on_id uuid not null check (depends_on_id <> job_id),
    need          text not null default 'completed' check (need in ('completed', 'ended')),
    met           boolean not null default false,
    primary key (job_id, depends_on_id)
);
create index if not exists dependency_on on dure.dependency (depends_on_id);

create table if not exists dure.deadline (
    deadline_at timestamptz not null,
    job_id      uuid not null
);
create index if not exists deadline_line on dure.deadline (deadline_at);

-- A worker's row is its lease: one small write renews all that it holds. No column that changes is indexed.
create table if not exists dure.worker (
    worker_id   bigint generated always as identity primary key,
    name        text not null,
    host        text not null,
    pid         integer not null,
    queues      text[] not null default '{}',
    version     text not null default '',
    lease_s     real not null check (lease_s > 0),
    lease_until timestamptz not null,
    listening   boolean not null default false,
    running     integer not null default 0,
    started_at  timestamptz not null default dure.now(),
    ended_at    timestamptz,
    end_reason  text check (end_reason in ('stopped', 'lease_lost'))
) with (fillfactor = 50);

-- A claim is a fencing token and what was taken with it. started: jobs known to have begun (dure.mark_started).
-- Its number is made of the milliseconds since 2025 and a counter (for decades it fits what JSON readers take for an
-- integer): claims do not wait for the disk, so after a crash a sequence alone could go back and give the number of a
-- claim that was lost to another.
create sequence if not exists dure.claim_turn minvalue 0 maxvalue 4095 cycle;
create table if not exists dure.claim (
    claim_id   bigint primary key
               default (((extract(epoch from clock_timestamp()) - 1735689600) * 1000)::bigint << 12) | nextval('dure.claim_turn'),
    worker_id  bigint not null,
    job_ids    uuid[] not null,
    started    uuid[] not null default '{}',
    claimed_at timestamptz not null default dure.now()
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
create index if not exists claim_worker on dure.claim (worker_id);

-- Every attempt that did not complete its job: retried, failed, crashed, lost, handed back.
create table if not exists dure.attempt (
    job_id      uuid not null,
    attempt     integer not null,
    tenant_id   text collate "C" not null,
    worker_id   bigint,
    started_at  timestamptz,
    ended_at    timestamptz not null default dure.now(),
    outcome     text not null check (outcome in ('retried', 'failed', 'cancelled', 'crashed', 'released', 'waited')),
    error_class text,
    error       text,
    traceback   text,
    primary key (job_id, attempt, outcome)
);

-- Jobs that ended otherwise than completed: few, and the ones that people look for.
create table if not exists dure.trouble (
    job_id    uuid primary key,
    tenant_id text collate "C" not null,
    state     text collate "C" not null
);
create index if not exists trouble_list on dure.trouble (tenant_id, state, job_id);

create table if not exists dure.job_log (
    log_id    bigint generated always as identity primary key,
    job_id    uuid not null,
    tenant_id text collate "C" not null,
    attempt   integer not null,
    at        timestamptz not null default dure.now(),
    level     text not null check (level in ('debug', 'info', 'warning', 'error')),
    message   text not null
);
create index if not exists job_log_job on dure.job_log (job_id, log_id);

create table if not exists dure.progress (
    job_id     uuid primary key,
    tenant_id  text collate "C" not null,
    done       bigint not null check (done >= 0),
    total      bigint check (total >= 0),
    note       text not null default '',
    updated_at timestamptz not null default dure.now()
) with (fillfactor = 50);

-- Asked to stop while running; the worker that holds the job reads and removes the row.
create table if not exists dure.cancellation (
    job_id    uuid primary key,
    worker_id bigint not null,
    reason    text not null
);

create table if not exists dure.api_key (
    key_id       uuid primary key default dure.uuid7(),
    tenant_id    text collate "C",
    name         text not null check (length(name) between 1 and 100),
    digest       bytea not null unique,
    scope        text not null check (scope in ('viewer', 'operator', 'approver', 'admin', 'agent')),
    created_at   timestamptz not null default dure.now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

create table if not exists dure.idempotency (
    tenant_id  text collate "C" not null,
    key        text collate "C" not null check (length(key) between 1 and 255),
    route      text not null,
    digest     bytea not null,
    status     smallint,
    body       jsonb,
    created_at timestamptz not null default dure.now(),
    primary key (tenant_id, key)
);
create index if not exists idempotency_age on dure.idempotency (created_at);

-- Who did what: pauses, cancellations, retries, keys. Appended, never changed.
create table if not exists dure.event (
    event_id  bigint generated always as identity primary key,
    at        timestamptz not null default dure.now(),
    tenant_id text collate "C",
    actor     text not null,
    verb      text not null,
    subject   text not null,
    detail    jsonb not null default '{}'
);
create index if not exists event_subject on dure.event (subject, event_id);

do $$
declare
    name text;
begin
    -- Tables that a tenant may read its own rows of.
    foreach name in array array['job', 'lane', 'attempt', 'trouble', 'job_log', 'progress', 'unique_key',
                                'api_key', 'idempotency', 'event'] loop
        call dure.protect(format('dure.%I', name)::regclass);
    end loop;
    -- Tables of the engine alone: a tenant sees no row.
    foreach name in array array['ready', 'later', 'limit', 'held', 'running', 'limit_start', 'limit_due', 'dependency',
                                'deadline', 'claim', 'cancellation'] loop
        execute format('alter table dure.%I enable row level security', name);
        execute format('drop policy if exists system on dure.%I', name);
        execute format('create policy system on dure.%I to dure_system using (true) with check (true)', name);
    end loop;
    -- Facts about the installation that every tenant may read: which handlers, queues and workers there are.
    foreach name in array array['handler', 'queue', 'worker'] loop
        execute format('alter table dure.%I enable row level security', name);
        execute format('drop policy if exists system on dure.%I', name);
        execute format('create policy system on dure.%I to dure_system using (true) with check (true)', name);
        execute format('drop policy if exists anyone on dure.%I', name);
        execute format('create policy anyone on dure.%I for select to dure_app using (true)', name);
    end loop;
end $$;

grant select, insert, update, delete on
    dure.handler, dure.queue, dure.lane, dure.job, dure.ready, dure.later, dure.limit, dure.held, dure.running,
    dure.limit_start, dure.limit_due, dure.unique_key, dure.dependency, dure.deadline, dure.worker, dure.claim,
    dure.attempt, dure.trouble, dure.job_log, dure.progress, dure.cancellation, dure.api_key, dure.idempotency,
    dure.event
to dure_system;
grant usage on sequence dure.claim_turn to dure_system;
grant select on dure.handler, dure.queue, dure.worker, dure.lane, dure.job, dure.attempt, dure.trouble,
    dure.job_log, dure.progress, dure.event to dure_app;
grant select, insert, update, delete on dure.idempotency to dure_app;
