-- One to-do. Index: notion_todo's primary key.
select page_id, block_id, position, path, text, text_hash, status, attempts, answer, marker, write_began_at is not null as write_began,
       removed_at is not null as removed
from dure.notion_todo where tenant_id = %(tenant)s and block_id = %(block)s
