-- Removes what was asked long ago, the oldest first. Locks: those rows. Index: primary key, whose ids grow with time.
delete from dure.intent_ask where id in (
    select id from dure.intent_ask where id < dure.uuid7_at(dure.now() - make_interval(secs => %(keep_s)s))
    order by id limit %(most)s for update skip locked)
