-- Receives them.
copy pg_temp.dure_rehearsed_after (key, image) from stdin (format binary)
