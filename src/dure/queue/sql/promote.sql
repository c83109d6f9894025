-- Moves what is due into line; answers how many jobs that were, and in how many seconds the next is due: by time, and
-- under limits.
select p.moved, extract(epoch from p.next_at - dure.now())::double precision,
    (select extract(epoch from min(due_at) - dure.now()) from dure.limit_due)::double precision
from dure.promote() p
