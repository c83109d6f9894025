-- The fires of a backfill, in order. Locks nothing. Index: backfill_fire's primary key.
select f.fire_at, f.state, f.job_id::text, f.tries from dure.backfill_fire f
where f.backfill_id = %(id)s::text::uuid and (%(after)s::timestamptz is null or f.fire_at > %(after)s)
  and (%(state)s::text is null or f.state = %(state)s)
order by f.fire_at
limit %(limit)s
