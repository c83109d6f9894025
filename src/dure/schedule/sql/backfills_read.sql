-- Backfills of a schedule, newest first, with how many of their fires stand where. Locks nothing.
-- Index: backfill_schedule, or the primary key.
select b.id::text, b.tenant_id, b.schedule_id::text, b.from_at, b.until_at, b.which, b.at_once, b.state, b.author, b.created_at, b.finished_at, b.reason,
       coalesce((select jsonb_object_agg(c.state, c.n) from (
           select f.state, count(*) as n from dure.backfill_fire f where f.backfill_id = b.id group by f.state) c), '{}')
from dure.backfill b
where (%(id)s::text is null or b.id = %(id)s::text::uuid)
  and (%(schedule_id)s::text is null or b.schedule_id = %(schedule_id)s::text::uuid)
  and (%(before)s::text is null or b.id < %(before)s::text::uuid)
order by b.id desc
limit %(limit)s
