-- What is known of a page besides its to-dos. Index: its primary key.
select window_id, synced_by::text, trouble
from dure.notion_page where tenant_id = %(tenant)s and page_id = %(page)s
