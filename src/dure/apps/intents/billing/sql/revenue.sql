-- What was received in each of some months, by how it was paid, beside what was billed for it; a month without either is
-- there with nothing. Locks nothing. Indexes: payment_paid, invoice_status.
select to_char(m.first, 'YYYY-MM') as month, b.billed_won, r.received_won, r.refunded_won, r.card_won, r.transfer_won,
       r.cash_won, r.payments, count(*) over () as total
from generate_series(%(first)s::date::timestamp, %(last)s::date::timestamp, interval '1 month') as m (first)
cross join lateral (
    select coalesce(sum(amount_won - discount_won), 0)::bigint as billed_won
    from academy.invoice where tenant_id = %(tenant)s and month = m.first::date and status <> 'void'
) b
cross join lateral (
    select coalesce(sum(amount_won), 0)::bigint as received_won,
           coalesce(-sum(amount_won) filter (where amount_won < 0), 0)::bigint as refunded_won,
           coalesce(sum(amount_won) filter (where method = 'card'), 0)::bigint as card_won,
           coalesce(sum(amount_won) filter (where method = 'transfer'), 0)::bigint as transfer_won,
           coalesce(sum(amount_won) filter (where method = 'cash'), 0)::bigint as cash_won,
           count(*) filter (where amount_won > 0) as payments
    from academy.payment
    where tenant_id = %(tenant)s and paid_at >= m.first at time zone %(zone)s
      and paid_at < (m.first + interval '1 month') at time zone %(zone)s
) r
order by m.first
