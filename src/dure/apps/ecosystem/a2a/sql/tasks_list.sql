-- Tasks of a tenant that fit, the one that changed last first, of the newest %(scan)s; and how many fit in all. Locks nothing.
-- Indexes: a2a_turn_context or a2a_turn_tenant, a2a_turn's key of task and turn, job's primary key.
with newest as materialized (
    select a.task_id from dure.a2a_turn a
    where a.tenant_id = %(tenant_id)s and a.turn = 1
      and (%(context_id)s::text is null or a.context_id = %(context_id)s)
      and (%(card_agent)s::text is null or a.card_agent = %(card_agent)s)
    order by a.task_id desc
    limit %(scan)s
), stood as materialized (
    select n.task_id, coalesce(l.cancelled_at, j.finished_at, j.started_at, j.created_at) as changed_at,
           case when l.cancelled_at is not null then 'TASK_STATE_CANCELED'
                when j.state = 'failed' and j.error_class = any (%(refusals)s::text[]) then 'TASK_STATE_REJECTED'
                when j.state = 'completed' then coalesce(%(said)s::jsonb ->> (j.result #>> '{a2a,state}'), 'TASK_STATE_COMPLETED')
                else %(ends)s::jsonb ->> j.state end as state
    from newest n
    cross join lateral (select * from dure.a2a_turn x where x.task_id = n.task_id order by x.turn desc limit 1) l
    join dure.job j on j.id = l.job_id
), fitting as materialized (
    select * from stood
    where (%(state)s::text is null or state = %(state)s)
      and (%(changed_after)s::timestamptz is null or changed_at >= %(changed_after)s)
)
select task_id::text, changed_at, (select count(*) from fitting)
from fitting
where %(before_at)s::timestamptz is null or (changed_at, task_id) < (%(before_at)s::timestamptz, %(before_id)s::text::uuid)
order by changed_at desc, task_id desc
limit %(limit)s
