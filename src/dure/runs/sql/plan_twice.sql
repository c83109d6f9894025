-- Records that a plan would change more than once; keeps change nothing. Index: change's primary key.
select store, key, count(*) from dure.change where run_id = %(id)s::text::uuid and kind <> 'keep'
group by store, key having count(*) > 1 order by store, key limit %(limit)s
