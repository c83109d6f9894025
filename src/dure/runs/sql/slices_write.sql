-- Subjects that are planned together, so many a slice. Locks the new rows.
insert into dure.slice (run_id, no, tenant_id, subjects)
select %(id)s::text::uuid, s.no, %(tenant_id)s, s.subjects::jsonb
from unnest(%(nos)s::integer[], %(subjects)s::text[]) as s(no, subjects)
