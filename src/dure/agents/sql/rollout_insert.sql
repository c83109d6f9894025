-- A new rollout. Locks its row; the index rollout_open refuses a second one of the class.
insert into dure.rollout (tenant_id, class, from_version, to_version, strategy, steps, max_parallel, min_healthy_s, progress_deadline_s, auto_promote,
    auto_revert, in_flight, gates, author)
values (%(tenant_id)s, %(class)s, %(from)s, %(to)s, %(strategy)s, %(steps)s::text::jsonb, %(max_parallel)s, %(min_healthy_s)s,
    %(progress_deadline_s)s, %(auto_promote)s, %(auto_revert)s, %(in_flight)s, %(gates)s::text::jsonb, %(actor)s)
returning id::text
