-- The operations that the database knows, by name. Locks nothing.
select operation, description, params_schema, guards, approval, expires_s from dure.operation order by operation
