-- Tells agents what to become and why they get no work, or that they get it again; a hold of somebody else's stays. Those that are let
-- go are told to look for work. Locks the agents by their ids. Index: agent's primary key.
with locked as (
    select a.tenant_id, a.agent_id from dure.agent a
    where a.tenant_id = %(tenant_id)s and a.agent_id = any (%(agents)s::text[]) and a.retired_at is null
    order by a.agent_id for update
), steered as (
    update dure.agent a set
        target_version = %(target)s,
        hold = case when a.hold is null or a.hold ->> 'code' = any (%(holds)s::text[]) then %(hold)s::text::jsonb else a.hold end,
        revision = a.revision + 1
    from locked l where a.tenant_id = l.tenant_id and a.agent_id = l.agent_id
    returning a.tenant_id, a.agent_id, a.hold, a.epoch
)
select pg_notify('dure_task', tenant_id || ' agent:' || agent_id) from steered where hold is null and epoch is not null
