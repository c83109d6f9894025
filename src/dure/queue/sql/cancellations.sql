-- What this worker was asked to stop, without what has completed meanwhile. A small table, read whole.
with late as (
    delete from dure.cancellation c using dure.job j
    where c.worker_id = %(worker)s and j.id = c.job_id and j.state <> 'processing'
)
select job_id::text, reason from dure.cancellation where worker_id = %(worker)s
