-- Makes the limits of handlers what their declarations say, and has every changed one looked at again.
with wanted as (
    select handler, concurrency_max, rate_max, rate_period_s from dure.handler
    where handler = any (%(handlers)s::text[]) and (concurrency_max is not null or rate_max is not null)
), made as (
    insert into dure.limit as l (handler, concurrency_max, rate_max, rate_period_s) select * from wanted order by handler
    on conflict (tenant_id, handler, limit_key) do update
        set concurrency_max = excluded.concurrency_max, rate_max = excluded.rate_max, rate_period_s = excluded.rate_period_s
        where (l.concurrency_max, l.rate_max, l.rate_period_s)
            is distinct from (excluded.concurrency_max, excluded.rate_max, excluded.rate_period_s)
    returning limit_id
), changed as (
    -- Those of keys, and those of handlers that declare none any more: a limit of nothing lets what waits in its line go.
    update dure.limit l
    set concurrency_max = case when l.limit_key <> '' then h.key_concurrency_max end,
        rate_max = case when l.limit_key <> '' then h.key_rate_max end,
        rate_period_s = case when l.limit_key <> '' then h.key_rate_period_s end
    from dure.handler h
    where l.handler = h.handler and h.handler = any (%(handlers)s::text[])
      and (l.limit_key <> '' or l.tenant_id = '' and h.concurrency_max is null and h.rate_max is null)
      and (l.concurrency_max, l.rate_max, l.rate_period_s) is distinct from (
          case when l.limit_key <> '' then h.key_concurrency_max end, case when l.limit_key <> '' then h.key_rate_max end,
          case when l.limit_key <> '' then h.key_rate_period_s end)
    returning l.limit_id
)
insert into dure.limit_due (due_at, limit_id)
select dure.now(), limit_id from (select limit_id from made union select limit_id from changed) changed
