-- Schedules that cannot fire as they stand, some of their names, and how late those are that nobody lets fire: in seconds, the
-- latest. Locks nothing. Index: schedule_due, for those that are late.
select
    (select count(*) from dure.schedule where disabled_at is not null and deleted_at is null)::integer,
    (select coalesce(array_agg(n.name order by n.name), '{}') from (
        select name from dure.schedule where disabled_at is not null and deleted_at is null order by name limit 5) n),
    (select count(*) from dure.schedule
     where next_fire_at < dure.now() - make_interval(secs => %(late_s)s) and paused_at is null and disabled_at is null
       and deleted_at is null)::integer,
    (select coalesce(extract(epoch from dure.now() - min(next_fire_at)), 0) from dure.schedule
     where next_fire_at is not null and paused_at is null and disabled_at is null and deleted_at is null)::float8
