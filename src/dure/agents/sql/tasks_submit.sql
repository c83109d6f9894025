-- Asks for tasks, all or none; see dure.submit_tasks. Locks: rows of needs (round robin), jobs that are depended on, the channel at the end.
select ids::text[], created from dure.submit_tasks(%(tenant)s, %(tasks)s::text::jsonb, %(actor)s)
