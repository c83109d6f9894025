-- Notes what somebody said to a plan. Locks its row.
insert into dure.approval (run_id, tenant_id, plan_hash, decision, actor, reason)
values (%(id)s::text::uuid, %(tenant_id)s, %(plan_hash)s, %(decision)s, %(actor)s, %(reason)s)
