-- Counts one use of a day; false when the cap is reached. See dure.use_intent. Locks: the row of that day.
select dure.use_intent(%(tenant)s, %(key)s, %(day)s, %(cap)s)
