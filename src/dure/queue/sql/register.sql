-- A worker begins: its row is its lease.
insert into dure.worker (name, host, pid, queues, version, lease_s, lease_until)
values (%(name)s, %(host)s, %(pid)s, %(queues)s, %(version)s, %(lease_s)s::real, dure.now() + make_interval(secs => %(lease_s)s))
returning worker_id
