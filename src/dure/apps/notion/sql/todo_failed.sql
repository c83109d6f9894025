-- Counts a failure: pending until the next tick, or skipped when it was tried often enough.
update dure.notion_todo
set attempts = attempts + 1, reason = %(reason)s::text::jsonb, updated_at = dure.now(),
    status = case when attempts + 1 > %(retries)s then 'skipped' else 'pending' end
where tenant_id = %(tenant)s and block_id = %(block)s and status = 'pending' and text_hash = %(text_hash)s
returning status, attempts
