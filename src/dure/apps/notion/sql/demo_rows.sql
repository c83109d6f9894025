-- Every to-do as it stands, in the order of its key, without the times at which Dure wrote it down.
select tenant_id, page_id, block_id, position, path, text, checked, status, attempts, reason::text, answer, marker, removed_at is not null
from dure.notion_todo order by tenant_id, block_id
