-- Invoices that are not wholly paid, the oldest first; of a month, of a student, or of all, or only those that are past
-- their day. Locks nothing. Indexes: invoice_due, payment_invoice.
select s.name as student, s.grade, to_char(i.month, 'YYYY-MM') as month, i.amount_won - i.discount_won as due_won,
       p.paid_won, i.amount_won - i.discount_won - p.paid_won as balance_won, i.due_on,
       greatest(%(today)s::date - i.due_on, 0) as days_overdue,
       (sum(i.amount_won - i.discount_won - p.paid_won) over ())::bigint as balance_total, count(*) over () as total
from academy.invoice i
join academy.student s on s.id = i.student_id
cross join lateral (
    select coalesce(sum(amount_won), 0) as paid_won from academy.payment where invoice_id = i.id
) p
where i.tenant_id = %(tenant)s and i.status in ('open', 'overdue') and (%(month)s::date is null or i.month = %(month)s)
  and (not %(overdue_only)s or i.due_on < %(today)s)
order by i.due_on, s.name, i.id
limit %(limit)s
