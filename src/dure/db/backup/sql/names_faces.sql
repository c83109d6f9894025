-- Of each name in public, whether it is Dure's; and whether the tables behind them are there at all ("agent").
select n.name, case when obj_description(to_regclass(format('public.%%I', n.name)), 'pg_class') = 'Dure: a view for older programs.'
                    then 'ok' else 'taken' end
from unnest(%(names)s::text[]) as n(name) where to_regclass(format('public.%%I', n.name)) is not null
union all
select 'agent', 'ok' where to_regclass('dure.channel') is not null and to_regclass('dure.release') is not null
