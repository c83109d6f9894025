-- Removes requests whose jobs are long gone, the oldest first; one that waits for a person stays. Locks: those rows.
-- Index: primary key, whose ids grow with time; job's primary key.
delete from dure.intent_request where id in (
    select r.id from dure.intent_request r
    where r.id < dure.uuid7_at(dure.now() - make_interval(secs => %(keep_s)s)) and r.decision <> 'waiting'
      and not exists (select from dure.job j where j.id = r.job_id)
    order by r.id limit %(most)s for update skip locked)
