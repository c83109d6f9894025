-- Intents: who may ask for what, what was asked for, and how often.
--
--   intent_policy   per tenant and key (exact, `billing.*`, `*`): whether, who, how often; the most exact row holds, none refuses
--   intent_use      how often a key was asked for on a day, by the tenant's calendar: the cap is one compare-and-set on it
--   intent_request  what was asked for: before its job while a person must approve it, and beside its job from then on
--
-- Lock order: the request, then the use of its day, then jobs.

create table if not exists dure.intent_policy (
    tenant_id   text collate "C" not null check (length(tenant_id) between 1 and 200),
    key         text collate "C" not null check (key ~ '^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$' and length(key) <= 200),
    allowed     boolean not null,
    ask         text check (ask in ('viewer', 'operator', 'approver', 'admin')),
    agents      boolean,
    approval    boolean,
    cap_per_day integer check (cap_per_day >= 0),
    risk_max    text check (risk_max in ('low', 'medium', 'high')),
    note        text not null default '' check (length(note) <= 2000),
    revision    integer not null default 1,
    updated_by  text not null,
    updated_at  timestamptz not null default dure.now(),
    primary key (tenant_id, key)
);
comment on table dure.intent_policy is 'Who may ask for which intents. What is null is as the intent declares it; without a row an intent is refused.';
call dure.protect('dure.intent_policy');
grant select on dure.intent_policy to dure_app;
grant select, insert, update, delete on dure.intent_policy to dure_system;

create table if not exists dure.intent_use (
    tenant_id text collate "C" not null,
    key       text collate "C" not null,
    day       date not null,
    count     integer not null check (count >= 0),
    primary key (tenant_id, key, day)
);
call dure.protect('dure.intent_use');
grant select on dure.intent_use to dure_app;
grant select, insert, update, delete on dure.intent_use to dure_system;

create table if not exists dure.intent_request (
    id         uuid primary key default dure.uuid7(),
    tenant_id  text collate "C" not null check (length(tenant_id) between 1 and 200),
    key        text collate "C" not null,
    params     jsonb not null check (jsonb_typeof(params) = 'object'),
    scope      text not null check (scope in ('viewer', 'operator', 'approver', 'admin', 'agent')),
    actor      text not null check (length(actor) between 1 and 200),
    source     text not null check (source in ('api', 'ask', 'cli', 'sql', 'schedule', 'retry')),
    decision   text not null check (decision in ('none', 'waiting', 'approved', 'rejected')),
    unique_key text check (length(unique_key) between 1 and 500),
    job_id     uuid,
    retry_of   uuid references dure.intent_request on delete set null,
    decided_by text,
    decided_at timestamptz,
    note       text not null default '',
    created_at timestamptz not null default dure.now(),
    check ((job_id is null) = (decision in ('waiting', 'rejected')) or source = 'sql'),
    check ((decided_by is not null) = (decision in ('approved', 'rejected')))
);
comment on table dure.intent_request is 'What was asked for. Its state is its decision''s while that is waiting or rejected, and its job''s from then on.';
create unique index if not exists intent_request_once on dure.intent_request (tenant_id, key, unique_key) where unique_key is not null;
create unique index if not exists intent_request_job on dure.intent_request (job_id) where job_id is not null;
create index if not exists intent_request_tenant on dure.intent_request (tenant_id, id desc);
create index if not exists intent_request_key on dure.intent_request (tenant_id, key, id desc);
create index if not exists intent_request_retry on dure.intent_request (retry_of) where retry_of is not null;
create index if not exists intent_request_waiting on dure.intent_request (tenant_id, id) where decision = 'waiting';
call dure.protect('dure.intent_request');
grant select on dure.intent_request to dure_app;
grant select, insert, update, delete on dure.intent_request to dure_system;

-- Counts one use of today; false, and nothing counted, when the cap is reached.
create or replace function dure.use_intent(p_tenant text, p_key text, p_day date, p_cap integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if p_cap = 0 then
        return false;
    end if;
    insert into dure.intent_use as u (tenant_id, key, day, count) values (p_tenant, p_key, p_day, 1)
    on conflict (tenant_id, key, day) do update set count = u.count + 1 where p_cap is null or u.count < p_cap;
    return found;
end $$;

-- The work on one target of an intent is a job of this handler.
insert into dure.handler (handler, queue, description, max_retries)
values ('dure.intent.target', 'intents', 'One of the many that an intent is for.', 3)
on conflict (handler) do nothing;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
