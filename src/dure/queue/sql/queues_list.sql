-- Every queue that a handler, a lane or a pause names, by name; the lines of agents are none. Locks nothing. Small tables; a tenant sees its own lanes.
select n.queue, q.paused_at, q.paused_by
from (select queue from dure.handler union select queue from dure.lane union select queue from dure.queue) n
left join dure.queue q on q.queue = n.queue
where n.queue not like 'agents/%%'
order by n.queue
limit %(limit)s
