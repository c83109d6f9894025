-- One small write renews the lease of all that a worker holds; no row means that the lease was lost. HOT.
update dure.worker
set lease_until = dure.now() + make_interval(secs => lease_s), running = %(running)s
where worker_id = %(worker)s and ended_at is null
returning worker_id
