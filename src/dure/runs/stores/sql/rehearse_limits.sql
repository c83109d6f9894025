-- Bounds how long the transaction waits for others, and how long one statement takes. Milliseconds.
select set_config('lock_timeout', %(lock_ms)s, true), set_config('statement_timeout', %(statement_ms)s, true)
