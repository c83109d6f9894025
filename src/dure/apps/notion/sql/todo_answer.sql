-- Stores a result before anything of it is written to Notion; only for the text that it answers.
update dure.notion_todo set answer = %(answer)s, marker = %(marker)s, write_began_at = null, updated_at = dure.now()
where tenant_id = %(tenant)s and block_id = %(block)s and status = 'pending' and text_hash = %(text_hash)s and answer is null
