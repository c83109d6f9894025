-- Rows of a tenant's chain behind a place, each with the hash that it should have by what stands in it; more than one of a
-- number, too, if somebody put one in. Locks nothing. Index: agent_log's primary key.
select l.seq, l.prev_hash, l.hash, sha256(l.prev_hash || convert_to(dure.log_text(l), 'UTF8')), l.sealed_at
from dure.agent_log l
where l.tenant_id = %(tenant_id)s and (l.seq, l.sealed_at) > (%(after)s, %(after_at)s::timestamptz)
order by l.seq, l.sealed_at
limit %(limit)s
