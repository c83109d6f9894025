-- Takes the next to-dos of a page for a tick, in the page's order; each of them once a tick.
-- Locks the rows that it takes. Index: notion_todo_line. Materialized, because a join may run a subquery more than once,
-- and each time its limit would hold anew.
with next as materialized (
    select block_id from dure.notion_todo
    where tenant_id = %(tenant)s and page_id = %(page)s and status = 'pending' and removed_at is null
      and tick_id is distinct from %(tick)s::text::uuid
    order by position, block_id limit %(most)s for no key update
)
update dure.notion_todo t set tick_id = %(tick)s::text::uuid
from next n where t.tenant_id = %(tenant)s and t.block_id = n.block_id
returning t.block_id, t.position
