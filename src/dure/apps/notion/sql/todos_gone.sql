-- Marks to-dos as removed: those of a page that were not seen, but for those that lie where nobody looked.
-- Index: notion_todo_line.
update dure.notion_todo
set removed_at = dure.now(), updated_at = dure.now(),
    status = case when status = 'pending' then 'skipped' else status end,
    reason = case when status = 'pending' then '{"code": "removed"}'::jsonb else reason end
where tenant_id = %(tenant)s and page_id = %(page)s and removed_at is null
  and block_id <> all (%(seen)s::text[]) and not path && %(passed)s::text[]
