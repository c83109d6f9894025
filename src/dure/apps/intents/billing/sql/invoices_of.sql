-- The invoices of some students, the oldest first; of a month or of all, in some states. Locks nothing.
-- Indexes: invoice_month, payment_invoice.
select i.id, i.student_id, s.name as student, to_char(i.month, 'YYYY-MM') as month, i.amount_won, i.discount_won, i.status, i.due_on,
       i.note, p.paid_won, i.amount_won - i.discount_won - p.paid_won as balance_won, count(*) over () as total
from academy.invoice i
join academy.student s on s.id = i.student_id
cross join lateral (
    select coalesce(sum(amount_won), 0) as paid_won from academy.payment where invoice_id = i.id
) p
where i.tenant_id = %(tenant)s and i.student_id = any(%(students)s::uuid[]) and i.status = any(%(statuses)s)
  and (%(month)s::date is null or i.month = %(month)s)
order by i.month, s.name, i.id
limit %(limit)s
