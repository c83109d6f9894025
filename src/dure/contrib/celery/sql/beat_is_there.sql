-- Whether django-celery-beat has its tables here.
select to_regclass('django_celery_beat_periodictask') is not null, dure.now()
