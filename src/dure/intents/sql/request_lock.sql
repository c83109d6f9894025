-- Holds a request, so that it is decided once. Locks: its row. Index: primary key, or intent_request_job.
select id from dure.intent_request
where id = %(id)s::uuid and (%(tenant)s::text is null or tenant_id = %(tenant)s) for update
