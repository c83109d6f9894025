-- Whether the tick is on, and whether the queue runs. Locks nothing.
select ticking, running from dure.intents_switch()
