-- Windows as people see them, newest first. One whose time is over reads as elapsed, whoever has closed it by now.
-- Locks nothing. Index: window_key, window_ends, or the primary key.
select w.id::text, w.tenant_id, w.key, w.schedule_id::text, s.handler, s.params, w.every_s,
       case when w.state = 'open' and w.ends_at <= (select dure.now()) then 'elapsed' else w.state end,
       w.started_at, w.ends_at,
       case when w.state = 'open' and w.ends_at <= (select dure.now()) then w.ends_at else w.closed_at end,
       w.closed_by, w.reason, w.author,
       (select count(*) from dure.fire f where f.schedule_id = w.schedule_id and f.outcome = 'made')::integer,
       (select max(f.fire_at) from dure.fire f where f.schedule_id = w.schedule_id and f.outcome = 'made'), s.last_job_id::text
from dure.window w join dure.schedule s on s.id = w.schedule_id
where (%(tenant_id)s::text is null or w.tenant_id = %(tenant_id)s)
  and (%(key)s::text is null or w.key = %(key)s)
  and (%(id)s::text is null or w.id = %(id)s::text::uuid)
  and (not %(open_only)s or (w.state = 'open' and w.ends_at > (select dure.now())))
  and (%(before)s::text is null or w.id < %(before)s::text::uuid)
order by w.id desc
limit %(limit)s
