-- Ends a task in an agent's hands; false when it is not there any more. See dure.end_task. Locks: the job, then what is linked to it.
select dure.end_task(%(tenant)s, %(agent)s, %(epoch)s, %(task)s::uuid, %(claim)s, %(end)s::text::jsonb)
