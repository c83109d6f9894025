-- How many records each scope holds, as a slice's planner counted them. Locks the new rows.
insert into dure.run_scope (run_id, slice, scope, tenant_id, population)
select %(id)s::text::uuid, %(slice)s, s.scope, %(tenant_id)s, s.population
from unnest(%(scopes)s::text[], %(populations)s::bigint[]) as s(scope, population)
on conflict (run_id, slice, scope) do update set population = excluded.population
