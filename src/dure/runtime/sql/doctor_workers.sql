-- Workers whose lease holds, and how many of them hear notifications.
select count(*), count(*) filter (where listening) from dure.worker where agent_id is null and ended_at is null and lease_until >= dure.now()
