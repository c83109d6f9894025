-- Tells the database which operations there are. Locks their rows, in the order of their names.
insert into dure.operation (operation, description, params_schema, stores, guards, approval, expires_s)
select d.operation, d.description, d.params_schema, '[]', d.guards, d.approval, d.expires_s
from jsonb_to_recordset(%(operations)s::text::jsonb) as d(
    operation text, description text, params_schema jsonb, guards jsonb, approval text, expires_s real)
order by d.operation
on conflict (operation) do update set
    description = excluded.description, params_schema = excluded.params_schema, guards = excluded.guards,
    approval = excluded.approval, expires_s = excluded.expires_s, declared_at = dure.now()
where (dure.operation.description, dure.operation.params_schema, dure.operation.guards, dure.operation.approval, dure.operation.expires_s)
    is distinct from (excluded.description, excluded.params_schema, excluded.guards, excluded.approval, excluded.expires_s)
