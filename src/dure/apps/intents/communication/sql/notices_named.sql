-- The notice of this title or id in one of some states, the latest of them. Locks nothing. Index: notice_created, the key.
select id, title, body, class_id, status
from academy.notice
where tenant_id = %(tenant)s and (title = %(named)s or id = %(id)s::uuid) and status = any(%(statuses)s)
order by created_at desc, id
limit 1
