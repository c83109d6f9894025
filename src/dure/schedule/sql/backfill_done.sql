-- Ends a backfill of which nothing is open any more. Locks its row.
update dure.backfill b set state = 'done', finished_at = dure.now()
where b.id = %(id)s::text::uuid and b.state = 'running'
  and not exists (select from dure.backfill_fire f where f.backfill_id = b.id and f.state in ('pending', 'made'))
