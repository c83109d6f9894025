-- Marks one to-do as removed.
update dure.notion_todo
set removed_at = dure.now(), updated_at = dure.now(),
    status = case when status = 'pending' then 'skipped' else status end,
    reason = case when status = 'pending' then '{"code": "removed"}'::jsonb else reason end
where tenant_id = %(tenant)s and block_id = %(block)s and removed_at is null
