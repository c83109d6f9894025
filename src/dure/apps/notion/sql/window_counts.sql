-- How many of a page's to-dos its last window has worked, and how many are skipped because they failed.
-- Index: notion_todo_line.
select count(*) filter (where status = 'done' and answer is not null and done_at >= %(began)s),
       count(*) filter (where status = 'skipped' and removed_at is null and attempts > 0)
from dure.notion_todo where tenant_id = %(tenant)s and page_id = %(page)s
