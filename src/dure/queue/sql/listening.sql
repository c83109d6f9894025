-- Says whether this worker sleeps and wants to be woken: dure.wake() sends a notification only while one does. HOT.
update dure.worker set listening = %(listening)s where worker_id = %(worker)s and ended_at is null
returning listening
