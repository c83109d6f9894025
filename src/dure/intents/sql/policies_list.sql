-- All policies of a tenant. Locks nothing. Index: primary key.
select key, allowed, ask, agents, approval, cap_per_day, risk_max, note, revision, updated_by, updated_at
from dure.intent_policy where tenant_id = %(tenant)s order by key
