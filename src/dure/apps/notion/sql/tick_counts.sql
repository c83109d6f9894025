-- What became of the to-dos that a tick took, and how many wait. Index: notion_todo_line.
select count(*) filter (where status = 'done' and tick_id = %(tick)s::text::uuid),
       count(*) filter (where status = 'skipped' and tick_id = %(tick)s::text::uuid),
       count(*) filter (where status = 'pending' and removed_at is null)
from dure.notion_todo where tenant_id = %(tenant)s and page_id = %(page)s
