-- Until when a job may run. Index: job's primary key.
select deadline_at from dure.job where id = %(job)s::text::uuid and tenant_id = %(tenant)s
