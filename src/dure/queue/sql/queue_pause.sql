-- Pauses a queue that something names; who paused first stays noted. Locks the queue's row. Index: its primary key.
insert into dure.queue as q (queue, paused_at, paused_by)
select n.queue, dure.now(), %(actor)s
from (select queue from dure.handler union select queue from dure.lane union select queue from dure.queue) n
where n.queue = %(queue)s
on conflict (queue) do update
set paused_at = coalesce(q.paused_at, excluded.paused_at),
    paused_by = case when q.paused_at is null then excluded.paused_by else q.paused_by end
returning q.queue, q.paused_at, q.paused_by
