-- Every periodic task of django-celery-beat with the one rule that it has. Reads only. The tables are that package's:
-- found by the search path, as Django finds them.
select t.id, t.name, t.task, t.args, t.kwargs, t.enabled, t.one_off, t.start_time, t.expires, t.expire_seconds,
       t.last_run_at, t.date_changed, t.queue, t.routing_key, t.priority, t.headers,
       c.minute, c.hour, c.day_of_month, c.month_of_year, c.day_of_week, c.timezone,
       i.every, i.period, s.event, k.clocked_time
from django_celery_beat_periodictask t
left join django_celery_beat_crontabschedule c on c.id = t.crontab_id
left join django_celery_beat_intervalschedule i on i.id = t.interval_id
left join django_celery_beat_solarschedule s on s.id = t.solar_id
left join django_celery_beat_clockedschedule k on k.id = t.clocked_id
order by t.name
limit %(limit)s
