-- The longest that any line has waited: the first of each lane, jumped to through the index ready_line.
with recursive lane as (
    (select lane_id, rank, first_id from dure.ready order by lane_id, rank, first_id limit 1)
    union all
    select n.* from lane cross join lateral (
        select lane_id, rank, first_id from dure.ready r
        where r.lane_id > lane.lane_id order by r.lane_id, r.rank, r.first_id limit 1) n
)
select coalesce(extract(epoch from max((select dure.now()) - greatest(j.created_at, j.run_at))), 0)::double precision
from lane join dure.job j on j.id = lane.first_id
