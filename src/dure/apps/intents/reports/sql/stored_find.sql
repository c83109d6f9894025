-- The report that was stored of these days under this title, if there is one. Locks nothing. Index: report_kind.
select id from academy.report
where tenant_id = %(tenant)s and kind = %(kind)s and title = %(title)s and from_on = %(first)s and until_on = %(last)s
order by made_at desc, id
limit 1
