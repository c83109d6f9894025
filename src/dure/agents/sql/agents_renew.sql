-- Many renewals in one write; what is not in the answer has lost its lease. Locks: the sessions' rows, in order. HOT.
select epoch, tenant_id, agent_id, lease_until, draining, upgrade_to, hold, cancel
from dure.renew_agents(%(epochs)s::bigint[], %(loads)s::jsonb[])
