-- How many jobs of the demo's last chapter are done.
select count(*) from dure.job where parent_id is null and state = 'completed' and tags = array['no-op']
