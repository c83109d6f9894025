-- The figures of a month's invoices; what is past its day and not paid is overdue, marked or not. Always one row.
-- Locks nothing. Indexes: invoice_status, payment_invoice.
select count(*) filter (where i.status <> 'void') as invoices,
       coalesce(sum(i.amount_won) filter (where i.status <> 'void'), 0)::bigint as amount_won,
       coalesce(sum(i.discount_won) filter (where i.status <> 'void'), 0)::bigint as discount_won,
       coalesce(sum(p.paid_won) filter (where i.status <> 'void'), 0)::bigint as paid_won,
       coalesce(sum(i.amount_won - i.discount_won - p.paid_won) filter (where i.status in ('open', 'overdue')), 0)::bigint
           as balance_won,
       count(*) filter (where i.status = 'paid') as paid,
       count(*) filter (where i.status in ('open', 'overdue') and i.due_on >= %(today)s) as open,
       count(*) filter (where i.status in ('open', 'overdue') and i.due_on < %(today)s) as overdue,
       count(*) filter (where i.status = 'void') as void
from academy.invoice i
cross join lateral (
    select coalesce(sum(amount_won), 0) as paid_won from academy.payment where invoice_id = i.id
) p
where i.tenant_id = %(tenant)s and i.month = %(month)s
