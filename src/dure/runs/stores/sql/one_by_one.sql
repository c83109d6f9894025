-- Has rows be found one by one, by their place or their key's index, and not by reading a table as a whole: statistics know
-- nothing of keys that are given or of a plan that was written a moment ago. 'off' begins it, 'on' ends it before the
-- transaction does.
select set_config('enable_hashjoin', %(scan)s, true), set_config('enable_mergejoin', %(scan)s, true)
