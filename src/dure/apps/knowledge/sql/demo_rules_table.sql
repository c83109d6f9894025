-- A table of process definitions, as far as decision rules need it. Nothing changes when there is one.
create table if not exists {table} (
    id text primary key, name text, owner text, type text, isdeleted boolean default false, bpmn text, tenant_id text,
    created_at timestamptz not null default now())
