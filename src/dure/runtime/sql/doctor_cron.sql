-- Whose `cron.job` is: of pg_cron, of Dure's views, of somebody else, of nobody. Locks nothing.
select case when exists (select from pg_extension where extname = 'pg_cron') then 'extension'
            when obj_description(to_regnamespace('cron'), 'pg_namespace') = 'Dure: views for older programs.' and to_regclass('cron.job') is not null then 'views'
            when to_regnamespace('cron') is not null then 'foreign'
            else 'none' end
