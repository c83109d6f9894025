-- What happened to a run, in order, after an event that was seen. Locks nothing.
select event_id, at, actor, verb, detail from dure.event
where subject = 'run:' || %(id)s::text and event_id > %(after)s order by event_id limit %(limit)s
