-- How many open jobs stand where, by queue; see dure.depths. Locks nothing.
select queue, place, jobs from dure.depths()
