-- A page of the guardians of students who owe something: one row for each student and guardian, and one without a guardian
-- for a student who has none. Keyset by student and guardian; of one pair when `student` and `guardian` say so.
-- Locks nothing. Indexes: invoice_month, payment_invoice, the key of student_guardian.
select s.id as student_id, s.name as student, g.id as guardian_id, g.name as guardian, g.phone, g.email, g.language,
       g.wants_messages, o.balance_won, o.months, o.due_on, concat_ws(' ', o.balance_won, o.months) as seen
from (
    select i.student_id, sum(i.amount_won - i.discount_won - p.paid_won)::bigint as balance_won, min(i.due_on) as due_on,
           string_agg(to_char(i.month, 'YYYY-MM'), ', ' order by i.month) as months
    from academy.invoice i
    cross join lateral (
        select coalesce(sum(amount_won), 0) as paid_won from academy.payment where invoice_id = i.id
    ) p
    where i.tenant_id = %(tenant)s and i.status in ('open', 'overdue')
      and (%(month)s::date is null or i.month = %(month)s::date)
      and i.due_on <= %(until)s::date
      and (%(student)s::uuid is null or i.student_id = %(student)s::uuid)
      and i.student_id >= %(after_student)s::uuid
    group by i.student_id
    -- As many students as rows: each has one row at least, and the first may have been told to some already.
    order by i.student_id
    limit %(limit)s + 1
) o
join academy.student s on s.id = o.student_id
left join academy.student_guardian l on l.student_id = s.id
left join academy.guardian g on g.id = l.guardian_id
where (s.id, coalesce(g.id, %(none)s::uuid)) > (%(after_student)s::uuid, %(after_guardian)s::uuid)
  and (%(guardian)s::uuid is null or g.id = %(guardian)s::uuid)
order by s.id, coalesce(g.id, %(none)s::uuid)
limit %(limit)s
