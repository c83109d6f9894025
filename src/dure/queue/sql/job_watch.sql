-- All that a watcher needs to see whether anything happened, in one row. Locks nothing. Indexes: primary keys, job_log_job.
select j.state, j.attempt, coalesce(j.started_at, j.created_at), coalesce(j.finished_at, j.started_at, j.created_at),
       j.error_class, j.error, j.result::text, j.cancel_requested_at,
       p.done, p.total, p.note, p.updated_at,
       exists (select from dure.job_log g where g.job_id = j.id and g.log_id > %(after_log)s)
from dure.job j left join dure.progress p on p.job_id = j.id
where j.id = %(id)s::text::uuid
