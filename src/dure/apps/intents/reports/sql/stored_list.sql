-- Reports that were stored, the latest first. Locks nothing. Index: report_kind.
select id, kind, title, from_on, until_on, format, made_at, made_by, count(*) over () as total
from academy.report
where tenant_id = %(tenant)s and (%(kind)s::text is null or kind = %(kind)s)
order by made_at desc, id
limit %(limit)s
