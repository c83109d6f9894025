-- Cancels a job and its open descendants; see dure.cancel for what it locks.
select dure.cancel(%(id)s::text::uuid, %(reason)s)
