-- Payments between two days, the latest first; a refund is one of less than nothing. Locks nothing. Index: payment_paid.
select (p.paid_at at time zone %(zone)s)::date as date, s.name as student, to_char(i.month, 'YYYY-MM') as month, p.amount_won,
       p.method, p.note, (sum(p.amount_won) over ())::bigint as amount_total, count(*) over () as total
from academy.payment p
join academy.invoice i on i.id = p.invoice_id
join academy.student s on s.id = i.student_id
where p.tenant_id = %(tenant)s and p.paid_at >= %(first)s::date::timestamp at time zone %(zone)s
  and p.paid_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
  and (%(method)s::text is null or p.method = %(method)s)
order by p.paid_at desc, p.id
limit %(limit)s
