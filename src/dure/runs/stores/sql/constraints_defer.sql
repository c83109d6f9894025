-- Lets what may be checked later be checked at the end of the attempt, so that the order within it matters less.
set constraints all deferred
