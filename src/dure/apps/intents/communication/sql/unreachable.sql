-- Students who are here and of whom no guardian can be written to, with why. Locks nothing. Indexes: student_status, the key
-- of student_guardian.
select s.name as student, s.grade, g.guardians,
       case when g.guardians is null then 'no_guardian' when g.wants then 'no_address' else 'no_messages' end as why,
       count(*) over () as total
from academy.student s
cross join lateral (
    select string_agg(g.name, ', ' order by g.name) as guardians, bool_or(g.wants_messages) as wants,
           bool_or(g.wants_messages and coalesce(nullif(g.phone, ''), nullif(g.email, '')) is not null) as reached
    from academy.student_guardian l join academy.guardian g on g.id = l.guardian_id
    where l.student_id = s.id
) g
where s.tenant_id = %(tenant)s and s.status <> 'left' and g.reached is not true
order by s.name, s.id
limit %(limit)s
