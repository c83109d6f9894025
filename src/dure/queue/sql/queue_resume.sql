-- Resumes a queue that something names, paused or not. Locks the queue's row. Index: its primary key.
insert into dure.queue as q (queue)
select n.queue
from (select queue from dure.handler union select queue from dure.lane union select queue from dure.queue) n
where n.queue = %(queue)s
on conflict (queue) do update set paused_at = null, paused_by = null
returning q.queue, q.paused_at, q.paused_by
