-- The jobs of one claim, as sql/claim.sql returns them: for claims made by dure.claim_limited. Index: job's primary key.
select j.id::text, j.claim_id, j.handler, j.params::text, j.tenant_id, j.attempt, j.retry_count, j.max_retries, j.crash_count,
    j.timeout_s, extract(epoch from j.deadline_at - c.claimed_at)::double precision, j.lane_id, -j.priority, j.id::text
from dure.claim c cross join lateral unnest(c.job_ids) as i(id) join dure.job j on j.id = i.id and j.claim_id = c.claim_id
where c.claim_id = %(claim)s
order by j.priority desc, j.id
