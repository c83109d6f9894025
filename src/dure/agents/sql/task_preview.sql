-- Whom a task would go to; see dure.preview_task. Locks nothing.
select strategy, chosen, reason, candidates from dure.preview_task(%(tenant)s, %(task)s::text::jsonb)
