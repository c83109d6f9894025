-- The head of a statement that is done in a transaction that is thrown away; says how many rows each of its parts touched, and
-- does not send any.
explain (analyze, verbose, costs off, timing off, summary off, buffers off, format json)
