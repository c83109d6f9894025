-- The Agent2Agent protocol, both ways.
--
--   a2a_turn    a client's message and the task that it became; an A2A task is named after the first one, and goes on with
--               the next turn when the agent has asked for something
--   a2a_remote  the task that another's server made of one of ours, so that whoever works it next goes on with that one
--   a2a_bridge  who speaks for an agent that only speaks A2A; one process at a time, for as long as its lease holds
--
-- Lock order, everywhere: the turn, then the queue's order.

create table if not exists dure.a2a_turn (
    job_id       uuid primary key references dure.job on delete cascade,
    tenant_id    text collate "C" not null check (length(tenant_id) between 1 and 200),
    task_id      uuid not null,
    turn         smallint not null check (turn between 1 and 1000),
    context_id   text collate "C" not null check (length(context_id) between 1 and 200),
    card_agent   text collate "C",
    actor        text not null,
    message_id   text not null check (length(message_id) between 1 and 200),
    digest       text not null,
    created_at   timestamptz not null default dure.now(),
    cancelled_at timestamptz,
    check ((task_id = job_id) = (turn = 1)),
    unique (task_id, turn)
);
comment on table dure.a2a_turn is 'A message that came by A2A, and the task that it became. cancelled_at: given up while it waited for the client.';
create unique index if not exists a2a_turn_message on dure.a2a_turn (tenant_id, actor, message_id);
create index if not exists a2a_turn_tenant on dure.a2a_turn (tenant_id, task_id desc) where turn = 1;
create index if not exists a2a_turn_context on dure.a2a_turn (tenant_id, context_id, task_id desc) where turn = 1;
call dure.protect('dure.a2a_turn');
grant select on dure.a2a_turn to dure_app;
grant select, insert, update, delete on dure.a2a_turn to dure_system;

create table if not exists dure.a2a_remote (
    job_id         uuid primary key references dure.job on delete cascade,
    tenant_id      text collate "C" not null,
    agent_id       text collate "C" not null,
    remote_task_id text not null check (length(remote_task_id) between 1 and 512),
    context_id     text,
    created_at     timestamptz not null default dure.now()
);
comment on table dure.a2a_remote is 'What another''s server calls a task of ours that it works on.';
call dure.protect('dure.a2a_remote');
grant select on dure.a2a_remote to dure_app;
grant select, insert, update, delete on dure.a2a_remote to dure_system;

create index if not exists agent_a2a on dure.agent (tenant_id, agent_id) where protocol = 'a2a' and retired_at is null;
create table if not exists dure.a2a_bridge (
    tenant_id   text collate "C" not null,
    agent_id    text collate "C" not null,
    holder      uuid,
    holds_until timestamptz,
    problem     jsonb check (jsonb_typeof(problem) = 'object' and problem ? 'code'),
    checked_at  timestamptz not null default dure.now(),
    primary key (tenant_id, agent_id),
    foreign key (tenant_id, agent_id) references dure.agent on delete cascade,
    check ((holder is null) = (holds_until is null))
);
comment on table dure.a2a_bridge is 'Which process speaks for an agent of others, and why it cannot be reached if it cannot.';
call dure.protect('dure.a2a_bridge');
grant select on dure.a2a_bridge to dure_app;
grant select, insert, update, delete on dure.a2a_bridge to dure_system;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
