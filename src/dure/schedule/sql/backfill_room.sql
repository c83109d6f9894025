-- The next fires of a backfill that may be made now. Locks nothing: the caller holds the backfill. Index: backfill_fire_open.
select f.fire_at from dure.backfill_fire f
where f.backfill_id = %(id)s::text::uuid and f.state = 'pending'
order by f.fire_at
limit greatest(%(at_once)s - (select count(*) from dure.backfill_fire o
                              where o.backfill_id = %(id)s::text::uuid and o.state = 'made')::integer, 0)
