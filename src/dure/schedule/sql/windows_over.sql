-- Open windows whose time is over. Locks their rows, and passes by those that somebody has in hand. Index: window_ends.
select w.id::text, w.schedule_id::text, w.tenant_id from dure.window w
where w.state = 'open' and w.ends_at <= (select dure.now())
order by w.ends_at
limit %(limit)s
for update skip locked
