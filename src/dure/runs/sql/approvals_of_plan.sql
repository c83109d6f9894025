-- Who approved just this plan. Locks nothing. Index: approval_run.
select decision, actor from dure.approval where run_id = %(id)s::text::uuid and plan_hash = %(plan_hash)s
