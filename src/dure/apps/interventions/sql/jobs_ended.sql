-- How some jobs stand, with the error of those that failed. Locks nothing. Index: job's primary key.
select j.id::text, j.state, j.error_class, j.error
from dure.job j
where j.id = any(%(ids)s::text[]::uuid[]) and j.tenant_id = %(tenant)s
