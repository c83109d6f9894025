-- What is paused while jobs wait for it.
with recursive lane as (
    (select lane_id from dure.ready order by lane_id limit 1)
    union all
    select (select r.lane_id from dure.ready r where r.lane_id > lane.lane_id order by r.lane_id limit 1)
    from lane where lane.lane_id is not null
)
select distinct case when h.paused_at is not null then 'handler' else 'queue' end as what,
    case when h.paused_at is not null then h.handler else q.queue end as name
from lane join dure.lane l using (lane_id) join dure.handler h on h.handler = l.handler
left join dure.queue q on q.queue = l.queue
where h.paused_at is not null or q.paused_at is not null
order by 1, 2
