-- The next chunk of a run that nobody has in hand, or the one that this job had in hand when it was cut off.
-- Locks the chunk; what another job holds is passed over. Index: chunk's primary key.
select no, place, round, changes from dure.chunk
where run_id = %(id)s::text::uuid and (%(place)s::text is null or place = %(place)s)
  and (state = 'planned' or (state = 'applying' and (job_id = %(job_id)s::text::uuid
       or not exists (select from dure.job j where j.id = dure.chunk.job_id and j.state in ('pending', 'processing')))))
order by no limit 1 for update skip locked
