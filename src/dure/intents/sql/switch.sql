-- Switches the queue of intents, and its minute's tick, on or off; see dure.switch_intents. Locks: the queue's row, the schedule.
select dure.switch_intents(%(on)s, %(actor)s)
