-- Under which claim a job is held, and by which process.
select j.claim_id, w.worker_id, w.pid from dure.job j join dure.worker w using (worker_id) where j.id = %(id)s::uuid and j.state = 'processing'
