-- Notes that writing begins, before each call that writes: from here on Notion is asked first what is there already.
-- Refused when the to-do is another by now, or the job that would write has lost its lease. Index: primary keys.
update dure.notion_todo t set write_began_at = coalesce(t.write_began_at, dure.now()), updated_at = dure.now()
where t.tenant_id = %(tenant)s and t.block_id = %(block)s and t.status = 'pending' and t.marker = %(marker)s and t.removed_at is null
  and exists (select from dure.job j where j.id = %(job)s::text::uuid and j.claim_id = %(claim)s and j.state = 'processing')
