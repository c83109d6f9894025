-- What the text of a value depends on, for a transaction that has begun already.
set local timezone = 'UTC';
set local datestyle = 'ISO, MDY';
set local intervalstyle = 'postgres';
set local bytea_output = 'hex';
set local extra_float_digits = 1;
set local row_security = off;
set local search_path = pg_catalog;
set local statement_timeout = 0;
set local jit = off
