-- The turns of some tasks of a tenant, each with the task that it became, in their order. Locks nothing. Indexes: a2a_turn's
-- key of task and turn, primary keys.
select a.task_id::text, a.turn, a.job_id::text, a.tenant_id, a.context_id, a.card_agent, t.agent_id, a.actor, a.message_id,
       a.digest, j.state, j.error_class, j.error, j.params::text, j.result::text, j.attempt, j.created_at, j.started_at,
       j.finished_at, a.cancelled_at
from dure.a2a_turn a join dure.job j on j.id = a.job_id left join dure.task t on t.job_id = a.job_id
where a.task_id = any (%(ids)s::text[]::uuid[]) and a.tenant_id = %(tenant_id)s
order by a.task_id, a.turn
