-- The targets of a job, one by one. Locks nothing. Index: job_parent.
select j.id::text, j.params -> 'target', j.state, j.result, j.error_class, j.error from dure.job j
where j.parent_id = %(job)s::uuid and j.handler = 'dure.intent.target' and j.id > %(after)s::uuid
  and (%(outcome)s::text is null or %(outcome)s = case when j.state = 'completed' then coalesce(j.result ->> 'outcome', 'done')
       when j.state in ('failed', 'quarantined', 'cancelled') then 'failed' else 'open' end)
order by j.id limit %(limit)s
