-- How the targets of a job stand: counted by outcome, and up to so many of each that is not done. Locks nothing. Index: job_parent.
with child as (
    select j.id, j.params -> 'target' ->> 'id' as target,
           case when j.state = 'completed' then coalesce(j.result ->> 'outcome', 'done')
                when j.state in ('failed', 'quarantined', 'cancelled') then 'failed' else 'open' end as outcome,
           coalesce(j.result ->> 'reason', j.error) as reason, j.error_class
    from dure.job j where j.parent_id = %(job)s::uuid and j.handler = 'dure.intent.target'
)
select outcome, count(*),
       (array_agg(jsonb_build_object('target', target, 'reason', reason, 'job_id', id, 'error_class', error_class) order by id))[:%(most)s]
from child group by outcome
