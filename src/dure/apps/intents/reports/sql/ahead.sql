-- What the days to come hold: lessons, those that are cancelled, what is to be paid, birthdays. Always one row.
-- Locks nothing. Indexes: meeting_day, invoice_due, student_status.
select m.lessons, m.cancelled, i.due_won, i.invoices, b.birthdays
from (
    select count(*) filter (where not cancelled) as lessons, count(*) filter (where cancelled) as cancelled
    from academy.meeting where tenant_id = %(tenant)s and held_on between %(first)s and %(last)s
) m
cross join (
    select coalesce(sum(i.amount_won - i.discount_won - p.paid_won), 0)::bigint as due_won, count(*) as invoices
    from academy.invoice i
    cross join lateral (
        select coalesce(sum(amount_won), 0) as paid_won from academy.payment where invoice_id = i.id
    ) p
    where i.tenant_id = %(tenant)s and i.status = 'open' and i.due_on between %(first)s and %(last)s
) i
cross join (
    select string_agg(s.name || ' ' || to_char(d.day, 'MM-DD'), ', ' order by d.day, s.name) as birthdays
    from generate_series(%(first)s::date::timestamp, %(last)s::date::timestamp, interval '1 day') as d (day)
    join academy.student s on s.tenant_id = %(tenant)s and s.status = 'enrolled'
        and to_char(s.birth_date, 'MM-DD') = to_char(d.day, 'MM-DD')
) b
