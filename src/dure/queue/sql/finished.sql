-- Of jobs whose completion was sent: those that are completed under the claim that was named. Asked when fewer rows
-- were written than sent, or when the connection broke before the answer came. Index: job's primary key.
select j.id::text
from unnest(%(ids)s::text::uuid[], %(claims)s::bigint[]) as d(id, claim_id)
join dure.job j on j.id = d.id and j.claim_id = d.claim_id and j.state = 'completed'
