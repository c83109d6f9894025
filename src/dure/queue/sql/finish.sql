-- Completes jobs: the hot half of a job's end. Every row names the claim it was taken under; a job that is no longer
-- held under it is left alone and not counted, and the caller asks finished.sql which. Ids come sorted, so that rows
-- are locked in the order that everyone locks them in. Index: job's primary key; the update is HOT.
-- Locks: the jobs, then (linked ones only) what depends on them.
with done as (
    update dure.job j
    set state = 'completed', finished_at = (select dure.now()), result = d.result::jsonb, error_class = null, error = null
    from unnest(%(ids)s::text::uuid[], %(claims)s::bigint[], %(results)s::text[]) as d(id, claim_id, result)
    where j.id = d.id and j.claim_id = d.claim_id and j.state = 'processing'
    returning j.id, j.linked
), closed as (
    delete from dure.claim where claim_id = any (%(closed)s::bigint[])
)
select n, case when linked is not null then dure.after_end(linked) end
from (select count(*) as n, array_agg(id) filter (where linked) as linked from done) d
