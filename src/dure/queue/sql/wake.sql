-- Wakes workers that sleep. Locks nothing until commit, when NOTIFY takes its place in line.
select dure.wake()
