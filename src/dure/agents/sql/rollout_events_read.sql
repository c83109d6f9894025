-- What happened to a rollout, oldest first. Locks nothing. Index: rollout_event_rollout.
select id, at, actor, kind, detail from dure.rollout_event
where rollout_id = %(id)s::text::uuid and id > %(after)s order by id limit %(limit)s
