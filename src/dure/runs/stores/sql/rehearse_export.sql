-- Answers the snapshot that another transaction can take over, as long as this one lasts.
select pg_export_snapshot()
