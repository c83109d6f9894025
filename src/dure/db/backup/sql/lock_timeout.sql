-- Whoever wants a table for itself makes everybody else wait behind it: not for long.
select set_config('lock_timeout', %s, true)
