-- Where a tenant's chain begins and ends, its last row, and how many entries wait to be chained. Locks nothing.
select coalesce(h.seq, 0), coalesce(h.hash, dure.log_seed(t.tenant_id)), coalesce(h.anchor_seq, 0),
       coalesce(h.anchor_hash, dure.log_seed(t.tenant_id)),
       (select max(l.seq) from dure.agent_log l where l.tenant_id = t.tenant_id),
       (select count(*) from dure.agent_log_new n where n.tenant_id = t.tenant_id)
from (select %(tenant_id)s::text as tenant_id) t left join dure.agent_log_head h on h.tenant_id = t.tenant_id
