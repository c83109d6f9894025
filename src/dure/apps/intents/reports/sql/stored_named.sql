-- A report that was stored, by its title or its id; of one title the latest. Locks nothing. Index: the key, report_kind.
select kind, title, format, body, from_on, until_on, made_at, made_by
from academy.report
where tenant_id = %(tenant)s and (title = %(named)s or id = %(id)s::uuid)
order by made_at desc, id
limit 1
