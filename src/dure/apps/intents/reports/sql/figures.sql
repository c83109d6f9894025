-- The figures of some days: who is here, came and went, how lessons were attended, what was paid, what was written to
-- people. Always one row. Locks nothing. Indexes: student_joined, meeting_day, attendance's unique one, payment_paid,
-- outbox_tenant.
select s.students, s.joined, s.gone, m.lessons, m.cancelled, a.present, a.late, a.absent, a.excused,
       round(100.0 * (a.present + a.late) / nullif(a.marked, 0), 1) as came_percent,
       p.received_won, p.card_won, p.transfer_won, p.cash_won, p.payments, o.sent, o.not_sent, o.unknown, k.consultations
from (
    select count(*) filter (where joined_on <= %(last)s and (left_on is null or left_on > %(last)s)) as students,
           count(*) filter (where joined_on between %(first)s and %(last)s) as joined,
           count(*) filter (where left_on between %(first)s and %(last)s) as gone
    from academy.student where tenant_id = %(tenant)s
) s
cross join (
    select count(*) filter (where not cancelled) as lessons, count(*) filter (where cancelled) as cancelled
    from academy.meeting where tenant_id = %(tenant)s and held_on between %(first)s and %(last)s
) m
cross join (
    select count(*) filter (where x.status = 'present') as present, count(*) filter (where x.status = 'late') as late,
           count(*) filter (where x.status = 'absent') as absent, count(*) filter (where x.status = 'excused') as excused,
           count(*) as marked
    from academy.meeting y join academy.attendance x on x.meeting_id = y.id
    where y.tenant_id = %(tenant)s and y.held_on between %(first)s and %(last)s
) a
cross join (
    select coalesce(sum(amount_won), 0)::bigint as received_won,
           coalesce(sum(amount_won) filter (where method = 'card'), 0)::bigint as card_won,
           coalesce(sum(amount_won) filter (where method = 'transfer'), 0)::bigint as transfer_won,
           coalesce(sum(amount_won) filter (where method = 'cash'), 0)::bigint as cash_won,
           count(*) filter (where amount_won > 0) as payments
    from academy.payment
    where tenant_id = %(tenant)s and paid_at >= %(first)s::date::timestamp at time zone %(zone)s
      and paid_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
) p
cross join (
    select count(*) filter (where state = 'sent') as sent, count(*) filter (where state = 'failed') as not_sent,
           count(*) filter (where state = 'unknown') as unknown
    from dure.outbox_message
    where tenant_id = %(tenant)s and created_at >= %(first)s::date::timestamp at time zone %(zone)s
      and created_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
) o
cross join (
    select count(*) as consultations from academy.consultation
    where tenant_id = %(tenant)s and held_at >= %(first)s::date::timestamp at time zone %(zone)s
      and held_at < (%(last)s::date + 1)::timestamp at time zone %(zone)s
) k
