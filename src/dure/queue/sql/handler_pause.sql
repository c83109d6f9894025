-- Pauses a handler; who paused first stays noted. Locks the handler's row. Index: its primary key.
update dure.handler
set paused_at = coalesce(paused_at, dure.now()), paused_by = case when paused_at is null then %(actor)s else paused_by end
where handler = %(handler)s
returning handler
