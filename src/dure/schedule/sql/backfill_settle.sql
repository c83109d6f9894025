-- Writes down how jobs of a backfill ended; one that was removed since had completed. Locks those rows.
-- Index: backfill_fire_open.
update dure.backfill_fire f set state = case coalesce(j.state, 'completed')
        when 'completed' then 'completed' when 'cancelled' then 'cancelled' else 'failed' end
from dure.backfill_fire o left join dure.job j on j.id = o.job_id
where o.backfill_id = %(id)s::text::uuid and o.state = 'made' and coalesce(j.state, 'completed') not in ('pending', 'processing')
  and f.backfill_id = o.backfill_id and f.fire_at = o.fire_at
