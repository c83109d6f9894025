-- The targets of a job that failed, to be tried again. Locks nothing. Index: job_parent.
select j.params -> 'target' from dure.job j
where j.parent_id = %(job)s::uuid and j.handler = 'dure.intent.target' and j.state in ('failed', 'quarantined', 'cancelled') order by j.id
