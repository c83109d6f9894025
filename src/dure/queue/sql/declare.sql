-- Tells the database which handlers there are and what they accept; rows that say so already are left alone.
insert into dure.handler as h (handler, queue, description, params_schema, max_retries, timeout_s, concurrency_max, rate_max,
    rate_period_s, key_from, key_concurrency_max, key_rate_max, key_rate_period_s)
select d.handler, d.queue, d.description, d.params_schema, d.max_retries, d.timeout_s, d.concurrency_max, d.rate_max,
    d.rate_period_s, d.key_from, d.key_concurrency_max, d.key_rate_max, d.key_rate_period_s
from jsonb_to_recordset(%(handlers)s::text::jsonb) as d(handler text, queue text, description text, params_schema jsonb,
    max_retries smallint, timeout_s real, concurrency_max integer, rate_max integer, rate_period_s real, key_from text,
    key_concurrency_max integer, key_rate_max integer, key_rate_period_s real)
order by d.handler
on conflict (handler) do update set queue = excluded.queue, description = excluded.description,
    params_schema = excluded.params_schema, max_retries = excluded.max_retries, timeout_s = excluded.timeout_s,
    concurrency_max = excluded.concurrency_max, rate_max = excluded.rate_max, rate_period_s = excluded.rate_period_s,
    key_from = excluded.key_from, key_concurrency_max = excluded.key_concurrency_max, key_rate_max = excluded.key_rate_max,
    key_rate_period_s = excluded.key_rate_period_s, declared_at = dure.now()
where (h.queue, h.description, h.params_schema, h.max_retries, h.timeout_s, h.concurrency_max, h.rate_max, h.rate_period_s,
       h.key_from, h.key_concurrency_max, h.key_rate_max, h.key_rate_period_s)
    is distinct from (excluded.queue, excluded.description, excluded.params_schema, excluded.max_retries, excluded.timeout_s,
       excluded.concurrency_max, excluded.rate_max, excluded.rate_period_s, excluded.key_from, excluded.key_concurrency_max,
       excluded.key_rate_max, excluded.key_rate_period_s)
