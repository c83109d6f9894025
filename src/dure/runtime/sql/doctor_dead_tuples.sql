-- How much of the line is rubbish that vacuum has not taken away.
select n_live_tup, n_dead_tup from pg_stat_user_tables where schemaname = 'dure' and relname = 'ready'
