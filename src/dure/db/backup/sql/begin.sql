-- One snapshot for the whole backup, and the settings that the text of a value depends on. row_security off: what this role
-- may not see is an error, not a gap.
begin transaction isolation level repeatable read read only;
set local timezone = 'UTC';
set local datestyle = 'ISO, MDY';
set local intervalstyle = 'postgres';
set local bytea_output = 'hex';
set local extra_float_digits = 1;
set local row_security = off;
set local search_path = pg_catalog;
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local jit = off
