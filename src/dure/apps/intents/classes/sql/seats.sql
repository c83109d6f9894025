-- Some students, each with the enrolment in the class that is left and in the one that is entered, and how many seats that
-- one has free. Locks nothing. Indexes: enrolment_active, enrolment_class.
select s.id, s.name, s.status, f.id as leaves, f.from_on as was_from, t.id as already, c.free
from unnest(%(students)s::uuid[]) with ordinality as g (id, nth)
join academy.student s on s.tenant_id = %(tenant)s and s.id = g.id
left join academy.enrolment f on f.student_id = s.id and f.class_id = %(from)s::uuid and f.status = 'active'
left join academy.enrolment t on t.student_id = s.id and t.class_id = %(to)s::uuid and t.status = 'active'
left join lateral (
    select c.capacity - (select count(*) from academy.enrolment where class_id = c.id and status = 'active') as free
    from academy.class c where c.tenant_id = %(tenant)s and c.id = %(to)s::uuid
) c on true
order by g.nth
