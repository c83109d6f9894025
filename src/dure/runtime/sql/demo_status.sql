-- What such a client sees of its job.
SELECT status, intent_key, created_at, completed_at FROM job_executions WHERE id = %(id)s::uuid
