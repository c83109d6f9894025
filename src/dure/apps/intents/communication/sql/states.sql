-- How many messages of some days stand how. Locks nothing. Index: outbox_tenant.
select state, count(*) as messages
from dure.outbox_message
where tenant_id = %(tenant)s and created_at >= %(first)s::date::timestamp at time zone %(zone)s
  and created_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
group by state
order by state
