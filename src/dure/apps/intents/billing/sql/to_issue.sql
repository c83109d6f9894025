-- Students whose active enrolments of a month cost something and who have no invoice for it, each with the fees, the
-- classes, and whether a brother or sister who is charged came before them. A void invoice is none. Locks nothing.
-- Indexes: enrolment_class, invoice_month, student_guardian_guardian.
with charged as (
    select s.id, s.name, s.joined_on, sum(c.fee_won)::bigint as amount_won,
           string_agg(c.name, ', ' order by c.name) as classes
    from academy.enrolment e
    join academy.student s on s.id = e.student_id and s.status = 'enrolled'
    join academy.class c on c.id = e.class_id
        and c.opened_on <= %(last)s and (c.closed_on is null or c.closed_on >= %(first)s)
    where e.tenant_id = %(tenant)s and e.status = 'active' and e.from_on <= %(last)s
      and (e.until_on is null or e.until_on >= %(first)s)
    group by s.id
    having sum(c.fee_won) > 0
)
select b.id, b.name as student, b.classes, b.amount_won, count(*) over () as total, exists (
    select from academy.student_guardian l
    join academy.student_guardian o on o.guardian_id = l.guardian_id
    join charged x on x.id = o.student_id and (x.joined_on, x.id) < (b.joined_on, b.id)
    where l.student_id = b.id
) as is_sibling
from charged b
where (%(students)s::uuid[] is null or b.id = any(%(students)s))
  and not exists (
    select from academy.invoice i where i.student_id = b.id and i.month = %(first)s and i.status <> 'void'
  )
order by b.name, b.id
limit %(limit)s
