-- Removes windows that closed long ago, a few thousand at a time; answers whether there may be more. Locks those rows.
-- Index: the primary key, whose order is that of time.
with gone as (
    delete from dure.window where id in (
        select w.id from dure.window w
        where w.closed_at < dure.now() - make_interval(secs => %(keep_s)s)
        order by w.id
        limit %(most)s)
    returning 1)
select count(*) >= %(most)s from gone
