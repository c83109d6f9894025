-- What ends with a class: its active enrolments, and its lessons after the last day. Locks nothing.
-- Indexes: enrolment_class, meeting's unique one.
select 'enrolment' as kind, e.id, s.name, e.from_on as on_date
from academy.enrolment e join academy.student s on s.id = e.student_id
where e.tenant_id = %(tenant)s and e.class_id = %(class)s and e.status = 'active'
union all
select 'meeting', m.id, null, m.held_on
from academy.meeting m
where m.tenant_id = %(tenant)s and m.class_id = %(class)s and m.held_on > %(last)s and not m.cancelled
order by kind, on_date, id
