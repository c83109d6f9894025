-- Notes that a tick has looked at a page, and at all of it for its window; what was wrong before is over.
update dure.notion_page
set synced_by = %(tick)s::text::uuid, synced_at = dure.now(), window_id = coalesce(%(window)s, window_id), cut = %(cut)s, trouble = null, trouble_at = null
where tenant_id = %(tenant)s and page_id = %(page)s
