-- Gives an ended job a new life; see dure.retry for what it locks.
select dure.retry(%(id)s::text::uuid)
