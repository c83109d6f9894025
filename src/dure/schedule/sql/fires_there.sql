-- Which of some fires have their row already. Locks nothing: the caller holds their schedules. Index: fire's primary key.
select f.schedule_id::text, f.fire_at from dure.fire f
join unnest(%(schedules)s::text[], %(fires)s::timestamptz[]) as i(schedule_id, fire_at)
  on f.schedule_id = i.schedule_id::uuid and f.fire_at = i.fire_at
