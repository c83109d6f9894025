-- The last job that a job asked for, with what was asked and how it ended. Index: job_parent.
select id::text, state, result, error_class, error, params ->> 'text_hash'
from dure.job where parent_id = %(job)s::text::uuid and tenant_id = %(tenant)s order by id desc limit 1
