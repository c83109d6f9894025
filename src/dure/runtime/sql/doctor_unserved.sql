-- Queues with a line that no live worker serves; agents' lines are below zero. A worker that names no queue serves all. Walks from lane to lane
-- through the index ready_line, so a million waiting jobs cost no more than one.
with recursive lane as (
    (select lane_id from dure.ready where lane_id > 0 order by lane_id limit 1)
    union all
    select (select r.lane_id from dure.ready r where r.lane_id > lane.lane_id order by r.lane_id limit 1)
    from lane where lane.lane_id is not null
), live as (
    select queues from dure.worker where agent_id is null and ended_at is null and lease_until >= dure.now()
)
select distinct l.queue
from lane join dure.lane l using (lane_id) left join dure.queue q on q.queue = l.queue
where q.paused_at is null
  and not exists (select from live where cardinality(live.queues) = 0 or l.queue = any (live.queues))
order by 1
