-- The most exact policy of a key: itself, then its domain and what stands above, then `*`. Locks nothing. Index: primary key.
select key, allowed, ask, agents, approval, cap_per_day, risk_max, note, revision, updated_by, updated_at
from dure.intent_policy where tenant_id = %(tenant)s and key = any (%(keys)s::text[])
order by array_position(%(keys)s::text[], key) limit 1
