-- Fixes what the text of a value depends on, until the transaction ends; and has a policy that would hide rows be an error.
-- search_path stays as the tables' own triggers, checks and defaults know it.
select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, MDY', true),
       set_config('intervalstyle', 'postgres', true), set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true), set_config('xmloption', 'content', true),
       set_config('lc_monetary', 'C', true), set_config('row_security', 'off', true)
