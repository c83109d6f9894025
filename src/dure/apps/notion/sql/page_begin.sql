-- Makes the row of a page, which its to-dos name; one that is there stays as it is.
insert into dure.notion_page (tenant_id, page_id) values (%(tenant)s, %(page)s) on conflict do nothing
