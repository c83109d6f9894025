-- The sessions that were open when the backup was made.
select count(*) from dure.worker where ended_at is null
