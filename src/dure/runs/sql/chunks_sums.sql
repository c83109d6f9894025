-- What became of a run's changes so far, and how many are still to do. Index: chunk's primary key.
select coalesce(sum(applied), 0)::bigint, coalesce(sum(conflicts), 0)::bigint, coalesce(sum(failed), 0)::bigint,
       coalesce(sum(skipped), 0)::bigint, coalesce(sum(changes - applied - conflicts - failed - skipped) filter (where state <> 'done'), 0)::bigint
from dure.chunk where run_id = %(id)s::text::uuid
