-- Marks what failed as intended again, and opens its chunks for another round; answers how many changes there are to do.
-- Chunks that were never reached count too. Locks the run's chunks in their order, then the outcomes.
with chunk as materialized (
    select k.no, k.state from dure.chunk k where k.run_id = %(id)s::text::uuid order by k.no for update
), was as materialized (
    select o.seq, o.state from dure.outcome o
    where o.run_id = %(id)s::text::uuid and o.state = any (%(states)s::text[]) order by o.seq for update
), again as (
    update dure.outcome o set state = 'intended', tries = o.tries + 1, at = dure.now()
    from dure.change c, was
    where o.run_id = %(id)s::text::uuid and o.state = any (%(states)s::text[])
      and c.run_id = o.run_id and c.seq = o.seq and was.seq = o.seq
      -- Not half of a unit whose other half stays in conflict.
      and not (c.unit is not null and exists (
          select from dure.change m join dure.outcome b on b.run_id = m.run_id and b.seq = m.seq
          where m.run_id = c.run_id and m.chunk = c.chunk and m.unit = c.unit and b.state = 'conflict'
            and not 'conflict' = any (%(states)s::text[])))
    returning c.chunk, o.seq, was.state as was
), opened as (
    update dure.chunk k set state = 'planned', round = k.round + 1, job_id = null, finished_at = null,
        failed = k.failed - a.failed, skipped = k.skipped - a.skipped, conflicts = k.conflicts - a.conflicts
    from (select a.chunk, count(*) as n, count(*) filter (where a.was = 'failed') as failed,
                 count(*) filter (where a.was = 'skipped') as skipped, count(*) filter (where a.was = 'conflict') as conflicts
          from again a group by a.chunk) a
    where k.run_id = %(id)s::text::uuid and k.no = a.chunk and k.state = 'done'
    returning a.n
)
select coalesce((select sum(n) from opened), 0)
     + coalesce((select sum(k.changes - k.applied - k.conflicts - k.failed - k.skipped) from dure.chunk k join chunk c on c.no = k.no
                 where k.run_id = %(id)s::text::uuid and c.state <> 'done'), 0)
