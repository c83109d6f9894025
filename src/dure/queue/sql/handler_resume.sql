-- Resumes a handler, paused or not. Locks the handler's row. Index: its primary key.
update dure.handler set paused_at = null, paused_by = null where handler = %(handler)s
returning handler
