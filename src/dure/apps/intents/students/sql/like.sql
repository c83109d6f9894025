-- Students whose name, or whose phone, holds some letters; those who are here come first. Reads all of a tenant's students.
-- Locks nothing.
select s.id, s.name, s.grade, s.status, s.joined_on, count(*) over () as total
from academy.student s
where s.tenant_id = %(tenant)s
  and (strpos(lower(s.name), lower(%(text)s)) > 0
       or (%(digits)s <> '' and strpos(regexp_replace(s.phone, '\D', '', 'g'), %(digits)s) > 0))
order by s.status = 'left', s.name, s.id
limit %(limit)s
