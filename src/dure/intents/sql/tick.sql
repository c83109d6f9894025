-- Brings into line what is due, and wakes workers. Locks: places in line (SKIP LOCKED).
select moved, dure.wake() from dure.promote()
