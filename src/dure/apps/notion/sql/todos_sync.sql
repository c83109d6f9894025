-- Writes down to-dos as Notion shows them now; one statement for any number. %(began)s is when the look began.
--
-- A ticked box means done, whoever ticked it. A to-do begins afresh when its text is another, when its box was unticked
-- after it was done, or when it comes back after it was removed: attempts, result and marker belong to what it said before.
-- Locks the rows that it changes, in the order of their ids. Index: notion_todo's primary key.
with seen as (
    select * from jsonb_to_recordset(%(todos)s::text::jsonb)
        as s(block_id text, "text" text, text_hash text, checked boolean, last_edited_at timestamptz, "position" integer, path text[])
), judged as (
    select s.*, t.status as was, t.attempts, t.reason, t.tick_id, t.answer, t.marker, t.write_began_at, t.done_at,
           t.block_id is null
           or (not s.checked and (t.text_hash <> s.text_hash or (t.removed_at is not null and t.status = 'skipped')
                                  or (t.status = 'done' and t.done_at < %(began)s::timestamptz))) as afresh
    from seen s left join dure.notion_todo t on t.tenant_id = %(tenant)s and t.block_id = s.block_id
), written as (
    select j.*, case when j.checked then 'done' when not j.afresh then j.was when j.text = '' then 'skipped' else 'pending' end as status_now
    from judged j
)
insert into dure.notion_todo as t (tenant_id, page_id, block_id, position, path, text, text_hash, checked, last_edited_at, status,
                                   attempts, reason, tick_id, answer, marker, write_began_at, done_at)
select %(tenant)s, %(page)s, w.block_id, w.position, w.path, w.text, w.text_hash, w.checked, w.last_edited_at, w.status_now,
       case when w.afresh then 0 else w.attempts end,
       case when w.checked and w.was is distinct from 'done' and w.write_began_at is null then '{"code": "ticked"}'::jsonb
            when w.checked and w.was is distinct from 'done' then null
            when w.afresh and w.status_now = 'skipped' then '{"code": "empty"}'::jsonb
            when not w.afresh then w.reason end,
       case when not w.afresh then w.tick_id end, case when not w.afresh then w.answer end,
       case when not w.afresh then w.marker end, case when not w.afresh then w.write_began_at end,
       case when w.status_now = 'done' then coalesce(w.done_at, dure.now()) end
from written w order by w.block_id
on conflict (tenant_id, block_id) do update set
    page_id = excluded.page_id, position = excluded.position, path = excluded.path, text = excluded.text, text_hash = excluded.text_hash,
    checked = excluded.checked, last_edited_at = excluded.last_edited_at, status = excluded.status, attempts = excluded.attempts,
    reason = excluded.reason, tick_id = excluded.tick_id, answer = excluded.answer, marker = excluded.marker,
    write_began_at = excluded.write_began_at, done_at = excluded.done_at, removed_at = null, updated_at = dure.now()
where (t.page_id, t.position, t.path, t.text_hash, t.checked, t.last_edited_at, t.status, t.removed_at)
      is distinct from (excluded.page_id, excluded.position, excluded.path, excluded.text_hash, excluded.checked,
                        excluded.last_edited_at, excluded.status, null)
