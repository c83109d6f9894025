-- Backfills that go on, and their schedules. Locks their rows, and passes by those that another worker has in hand.
-- Index: backfill_running.
select b.id::text, b.schedule_id::text, b.at_once from dure.backfill b
where b.state = 'running'
order by b.id
limit %(limit)s
for update of b skip locked
