-- Notes what another's server calls a task of ours. Locks the row.
insert into dure.a2a_remote (job_id, tenant_id, agent_id, remote_task_id, context_id)
values (%(job_id)s::text::uuid, %(tenant_id)s, %(agent_id)s, %(remote_task_id)s, %(context_id)s)
on conflict (job_id) do update set agent_id = excluded.agent_id, remote_task_id = excluded.remote_task_id,
    context_id = excluded.context_id, created_at = dure.now()
