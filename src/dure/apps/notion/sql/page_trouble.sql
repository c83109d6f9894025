-- Notes what keeps Notion from answering for a page. A refused key is not written over by less.
update dure.notion_page set trouble = %(trouble)s::text::jsonb, trouble_at = dure.now()
where tenant_id = %(tenant)s and page_id = %(page)s and coalesce(trouble ->> 'code', '') <> 'denied'
