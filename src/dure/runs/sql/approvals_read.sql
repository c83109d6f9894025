-- Who said what to a run's plan, in order. Locks nothing. Index: approval_run.
select decision, actor, reason, plan_hash, at from dure.approval where run_id = %(id)s::text::uuid order by id
