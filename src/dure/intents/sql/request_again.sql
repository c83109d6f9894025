-- Gives the job of a request a new life; see dure.retry. Locks: the job, then what is linked to it.
select dure.retry(%(job)s::uuid)
