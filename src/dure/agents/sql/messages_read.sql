-- Messages of a channel behind a number, oldest first, at most so many and about so many bytes, but one if there is one.
-- Locks nothing. Index: message's primary key in each day's partition.
select p.no, p.at, p.from_agent, p.to_agent, p.kind, p.body::text, p.task_id::text, p.size_bytes
from (
    select m.*, sum(m.size_bytes) over (order by m.no) - m.size_bytes as before_it
    from (
        select * from dure.message
        where tenant_id = %(tenant_id)s and channel = %(channel)s and no > %(after)s
          and drop_on > (dure.now() at time zone 'UTC')::date
        order by no
        limit %(limit)s
    ) m
) p
where p.before_it < %(bytes)s
order by p.no
