-- Removes schedules that were deleted long ago, with their history, a few thousand at a time; answers whether there may be
-- more. One whose window is still there stays. Locks those rows.
with gone as (
    delete from dure.schedule where id in (
        select s.id from dure.schedule s
        where s.deleted_at < dure.now() - make_interval(secs => %(keep_s)s)
          and not exists (select from dure.window w where w.schedule_id = s.id)
        order by s.id
        limit %(most)s)
    returning 1)
select count(*) >= %(most)s from gone
