-- Users for whom a run has no recommendation because writing it failed, at most %(limit)s. Locks nothing.
-- Index: change's primary key.
select c.subject, c.reason
from dure.change c
where c.run_id = %(id)s::text::uuid and c.tenant_id = %(tenant)s and c.kind = 'keep' and c.reason ->> 'code' = 'generator_failed'
order by c.seq
limit %(limit)s
