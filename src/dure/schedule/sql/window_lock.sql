-- The open window of a key, held until the end of the transaction, and whether its time is over. Locks its row.
-- Index: window_open.
select w.id::text, w.schedule_id::text, w.ends_at <= dure.now() as is_over from dure.window w
where w.tenant_id = %(tenant_id)s and w.key = %(key)s and w.state = 'open'
for update
