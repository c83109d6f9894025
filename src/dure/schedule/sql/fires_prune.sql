-- Removes old fires, a few thousand at a time; answers whether there may be more. Locks those rows.
-- Index: fire_created.
with gone as (
    delete from dure.fire where (schedule_id, fire_at) in (
        select f.schedule_id, f.fire_at from dure.fire f
        where f.created_at < dure.now() - make_interval(secs => %(keep_s)s) and f.outcome <> 'waiting'
        order by f.created_at
        limit %(most)s)
    returning 1)
select count(*) >= %(most)s from gone
