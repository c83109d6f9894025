-- Deduplications and their ways back as older programs know them, newest first, at most %(limit)s. Locks nothing.
-- Index: run_operation, or the primary key for one id.
select id::text, job_id, job_type, rollback_of, agent_id, dry_run, status, total_agents, deleted_count, moved_count, updated_count,
       created_count, kept_count, asked_count, conflict_count, error_count, statistics, rolled_back, created_by,
       started_at, completed_at, error_message as error
from dure.batch_job_history
where (%(id)s::text is null or id = %(id)s::text::uuid) and tenant_id = %(tenant)s
order by id desc
limit %(limit)s
