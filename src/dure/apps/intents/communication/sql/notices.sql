-- Notices, the latest first; in one state, of one class. Locks nothing. Indexes: notice_created, notice_class.
select n.id, n.title, n.body, c.name as class, n.status, n.published_at, n.created_at, count(*) over () as total
from academy.notice n left join academy.class c on c.id = n.class_id
where n.tenant_id = %(tenant)s and (%(status)s::text is null or n.status = %(status)s)
  and (%(class)s::uuid is null or n.class_id = %(class)s)
order by n.created_at desc, n.id
limit %(limit)s
