-- How many seconds until anything is due here: a schedule, the end of a window, the end of a snooze. Locks nothing.
-- Indexes: schedule_due, window_ends, backfill_running, fire_waiting.
select extract(epoch from least(
    (select min(greatest(s.next_fire_at, s.snoozed_until)) from (
        select next_fire_at, snoozed_until from dure.schedule
        where next_fire_at is not null and paused_at is null and disabled_at is null and deleted_at is null
        order by next_fire_at limit 100) s),
    (select min(ends_at) from dure.window where state = 'open')) - dure.now())::double precision
