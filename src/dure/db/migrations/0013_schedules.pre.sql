-- Schedules, what they fired, backfills of what they did not, and windows.
--
-- A schedule's next fire is a stored time: being due is one look at an index, and the fire, its job and the time after it
-- are one transaction. So any worker may do it, and two of them cannot do it twice.
--
--   schedule   the rule, and when it fires next
--   fire       a fire that made a job, or the reason why it made none; a row may stand for a range of them (count)
--   backfill   a range of a schedule's past, done again or for the first time; its fires are rows of their own
--   window     a schedule that closes itself; its ticks are the fires of a schedule that is its own
--
-- Lock order, everywhere: the window, then its schedule, then the backfill, then their fires, then jobs.

create table if not exists dure.calendar (
    tenant_id  text collate "C" not null check (length(tenant_id) between 1 and 100),
    name       text not null check (length(name) between 1 and 200),
    entries    jsonb not null check (jsonb_typeof(entries) = 'object'),
    updated_at timestamptz not null default dure.now(),
    updated_by text not null,
    primary key (tenant_id, name)
);
comment on table dure.calendar is 'Days and times at which schedules that name it do not fire.';
call dure.protect('dure.calendar');
grant select on dure.calendar to dure_app;
grant select, insert, update, delete on dure.calendar to dure_system;

create table if not exists dure.schedule (
    id              uuid primary key default dure.uuid7(),
    tenant_id       text collate "C" not null check (length(tenant_id) between 1 and 100),
    name            text not null check (length(name) between 1 and 200),
    rule            jsonb not null check (jsonb_typeof(rule) = 'object'),
    zone            text not null,
    handler         text collate "C",
    operation       text collate "C",
    params          jsonb not null default '{}' check (jsonb_typeof(params) = 'object'),
    mode            text check (mode in ('plan', 'approve', 'apply')),
    options         jsonb not null default '{}' check (jsonb_typeof(options) = 'object'),
    catch_up        text not null default 'latest' check (catch_up in ('latest', 'none', 'all')),
    catch_up_max    integer not null default 10 check (catch_up_max between 1 and 1000),
    overlap         text not null default 'skip' check (overlap in ('skip', 'queue', 'allow')),
    jitter_s        integer not null default 0 check (jitter_s between 0 and 86400),
    calendar        text,
    starts_at       timestamptz,
    ends_at         timestamptz,
    next_fire_at    timestamptz,
    last_fire_at    timestamptz,
    last_job_id     uuid,
    open_jobs       uuid[] not null default '{}',
    paused_at       timestamptz,
    paused_by       text,
    snoozed_until   timestamptz,
    disabled_at     timestamptz,
    disabled_reason jsonb check (jsonb_typeof(disabled_reason) = 'object' and disabled_reason ? 'code'),
    window_id       uuid,
    revision        integer not null default 1,
    author          text not null check (length(author) between 1 and 200),
    created_at      timestamptz not null default dure.now(),
    updated_at      timestamptz not null default dure.now(),
    deleted_at      timestamptz,
    check ((handler is null) <> (operation is null)),
    check ((mode is null) = (operation is null)),
    check (ends_at > starts_at),
    check ((disabled_at is null) = (disabled_reason is null)),
    foreign key (tenant_id, calendar) references dure.calendar (tenant_id, name)
);
comment on table dure.schedule is 'Rules that make jobs. next_fire_at is null when there is no more to come; a deleted one stays for its history.';
create unique index if not exists schedule_name on dure.schedule (tenant_id, name) where deleted_at is null;
create index if not exists schedule_tenant on dure.schedule (tenant_id, id desc) where window_id is null;
create index if not exists schedule_due on dure.schedule (next_fire_at)
    where next_fire_at is not null and paused_at is null and disabled_at is null and deleted_at is null;
call dure.protect('dure.schedule');
grant select on dure.schedule to dure_app;
grant select, insert, update, delete on dure.schedule to dure_system;

create table if not exists dure.fire (
    schedule_id uuid not null references dure.schedule on delete cascade,
    fire_at     timestamptz not null,
    tenant_id   text collate "C" not null,
    cause       text not null default 'due' check (cause in ('due', 'manual')),
    outcome     text not null check (outcome in ('made', 'skipped', 'missed', 'waiting')),
    reason      jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    job_id      uuid,
    until_at    timestamptz,
    count       bigint not null default 1 check (count > 0),
    actor       text,
    created_at  timestamptz not null default dure.now(),
    primary key (schedule_id, fire_at),
    check ((outcome = 'made') = (job_id is not null)),
    check (outcome = 'made' or reason is not null),
    check ((until_at is null) = (count = 1))
);
comment on table dure.fire is 'Each fire of a schedule: the job that it made, or why it made none. '
    'A row with until_at stands for all fires from fire_at to then, count of them.';
create index if not exists fire_waiting on dure.fire (schedule_id, fire_at) where outcome = 'waiting';
create index if not exists fire_created on dure.fire (created_at);
create index if not exists fire_job on dure.fire (job_id) where job_id is not null;
call dure.protect('dure.fire');
grant select on dure.fire to dure_app;
grant select, insert, update, delete on dure.fire to dure_system;

create table if not exists dure.backfill (
    id          uuid primary key default dure.uuid7(),
    tenant_id   text collate "C" not null,
    schedule_id uuid not null references dure.schedule on delete cascade,
    from_at     timestamptz not null,
    until_at    timestamptz not null,
    which       text not null check (which in ('missing', 'failed', 'all')),
    at_once     integer not null check (at_once between 1 and 1000),
    state       text not null default 'running' check (state in ('running', 'paused', 'done', 'cancelled')),
    author      text not null check (length(author) between 1 and 200),
    created_at  timestamptz not null default dure.now(),
    finished_at timestamptz,
    reason      jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    check (until_at > from_at),
    check ((finished_at is not null) = (state in ('done', 'cancelled')))
);
comment on table dure.backfill is 'A range of a schedule''s past that is done again, or for the first time; at_once jobs at a time.';
create index if not exists backfill_schedule on dure.backfill (schedule_id, id desc);
create index if not exists backfill_running on dure.backfill (id) where state = 'running';
call dure.protect('dure.backfill');
grant select on dure.backfill to dure_app;
grant select, insert, update, delete on dure.backfill to dure_system;

create table if not exists dure.backfill_fire (
    backfill_id uuid not null references dure.backfill on delete cascade,
    fire_at     timestamptz not null,
    tenant_id   text collate "C" not null,
    state       text not null default 'pending' check (state in ('pending', 'made', 'completed', 'failed', 'cancelled')),
    job_id      uuid,
    tries       integer not null default 0,
    primary key (backfill_id, fire_at)
);
comment on table dure.backfill_fire is 'One fire of a backfill, and what became of its job.';
create index if not exists backfill_fire_open on dure.backfill_fire (backfill_id, fire_at) where state in ('pending', 'made');
call dure.protect('dure.backfill_fire');
grant select on dure.backfill_fire to dure_app;
grant select, insert, update, delete on dure.backfill_fire to dure_system;

create table if not exists dure.window (
    id          uuid primary key default dure.uuid7(),
    tenant_id   text collate "C" not null check (length(tenant_id) between 1 and 100),
    key         text not null check (length(key) between 1 and 200),
    schedule_id uuid not null references dure.schedule,
    state       text not null default 'open' check (state in ('open', 'stopped', 'elapsed', 'failed')),
    every_s     integer not null check (every_s between 1 and 86400),
    started_at  timestamptz not null,
    ends_at     timestamptz not null,
    closed_at   timestamptz,
    closed_by   text,
    reason      jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    author      text not null check (length(author) between 1 and 200),
    check (ends_at > started_at),
    check ((closed_at is null) = (state = 'open'))
);
comment on table dure."window" is 'A schedule that closes itself. One open window a key; how it closed is never written over.';
create unique index if not exists window_open on dure."window" (tenant_id, key) where state = 'open';
create index if not exists window_key on dure."window" (tenant_id, key, id desc);
create index if not exists window_ends on dure."window" (ends_at) where state = 'open';
call dure.protect('dure.window');
grant select on dure."window" to dure_app;
grant select, insert, update, delete on dure."window" to dure_system;

-- What a run was asked for by, and what follows when somebody approves it.
do $$
begin
    if not exists (select from pg_catalog.pg_attribute where attrelid = 'dure.run'::regclass and attname = 'asked_by_job') then
        alter table dure.run add column asked_by_job uuid;
        alter table dure.run drop constraint if exists run_then_do_check;
        alter table dure.run add constraint run_then_do_check check (then_do in ('plan', 'approve', 'apply'));
    end if;
end $$;
comment on column dure.run.asked_by_job is 'The job, of a schedule, that asked for the run and waits for it.';
create index if not exists run_asked_by_job on dure.run (asked_by_job) where asked_by_job is not null;
