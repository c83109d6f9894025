-- Removes messages that were sent, failed or were taken back long ago, and that nothing is compared with any more; one of which
-- nobody knows what became of it stays. Locks: those rows. Index: primary key, whose ids grow with time.
delete from dure.outbox_message where id in (
    select m.id from dure.outbox_message m
    where m.id < dure.uuid7_at(dure.now() - make_interval(secs => %(keep_s)s)) and m.same_until < dure.now()
      and m.state in ('sent', 'failed', 'cancelled')
    order by m.id limit %(most)s for update skip locked)
