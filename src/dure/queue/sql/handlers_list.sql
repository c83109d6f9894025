-- Handlers by name after a cursor, or the one of that name. Locks nothing. Index: handler's primary key.
select handler, queue, description, params_schema, max_retries, timeout_s, concurrency_max, rate_max, rate_period_s, key_from,
       key_concurrency_max, key_rate_max, key_rate_period_s, paused_at, paused_by, declared_at
from dure.handler
where handler > %(after)s and (%(handler)s::text is null or handler = %(handler)s)
order by handler limit %(limit)s
