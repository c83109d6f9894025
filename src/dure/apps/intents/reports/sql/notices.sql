-- Notices that were published in some days. Locks nothing. Index: notice_created.
select (n.published_at at time zone %(zone)s)::date as date, n.title, c.name as class, count(*) over () as total
from academy.notice n left join academy.class c on c.id = n.class_id
where n.tenant_id = %(tenant)s and n.status = 'published'
  and n.published_at >= %(first)s::date::timestamp at time zone %(zone)s
  and n.published_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
order by n.published_at, n.id
limit %(limit)s
