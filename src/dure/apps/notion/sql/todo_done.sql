-- The result is written and the box is ticked.
update dure.notion_todo set status = 'done', checked = true, done_at = dure.now(), reason = null, updated_at = dure.now()
where tenant_id = %(tenant)s and block_id = %(block)s and status = 'pending' and marker = %(marker)s
