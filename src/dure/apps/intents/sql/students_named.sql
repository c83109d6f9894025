-- The students that a request names, by name or by id; `here` says whether one has not left. Locks nothing.
-- Indexes: student_name, the key.
select g.named as given, s.id, s.name, s.grade, s.status, s.status <> 'left' as here,
       concat_ws(' ', s.grade, s.birth_date) as about
from unnest(%(named)s::text[], %(ids)s::uuid[]) as g (named, id)
join academy.student s on s.tenant_id = %(tenant)s and (s.name = g.named or s.id = g.id)
order by s.id
