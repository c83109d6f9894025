-- Notes what happened to a rollout.
insert into dure.rollout_event (rollout_id, tenant_id, actor, kind, detail)
select r.id, r.tenant_id, %(actor)s, %(kind)s, %(detail)s::text::jsonb from dure.rollout r where r.id = %(id)s::text::uuid
