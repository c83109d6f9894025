-- Classes with how many students each has; those that are open, or all, or one. Locks nothing.
-- Indexes: class_name, enrolment_class.
select c.name, c.subject, c.teacher, c.weekdays, c.starts_at, c.ends_at, c.fee_won, c.capacity, e.students,
       c.capacity - e.students as free, c.opened_on, c.closed_on, count(*) over () as total
from academy.class c
cross join lateral (select count(*) as students from academy.enrolment where class_id = c.id and status = 'active') e
where c.tenant_id = %(tenant)s and (%(class)s::uuid is null or c.id = %(class)s)
  and (%(closed_too)s or c.closed_on is null) and (%(subject)s::text is null or c.subject = %(subject)s)
  and (%(teacher)s::text is null or c.teacher = %(teacher)s) and (not %(free_only)s or e.students < c.capacity)
order by c.name, c.id
limit %(limit)s
