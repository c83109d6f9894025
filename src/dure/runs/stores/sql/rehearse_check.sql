-- The head of a statement that is only looked at: nothing is executed.
explain (verbose, costs off, format json)
