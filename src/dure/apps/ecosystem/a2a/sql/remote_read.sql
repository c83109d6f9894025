-- What another's server calls a task of ours that it works on. Locks nothing. Index: primary key.
select remote_task_id, context_id from dure.a2a_remote
where job_id = %(job_id)s::text::uuid and tenant_id = %(tenant_id)s and agent_id = %(agent_id)s
