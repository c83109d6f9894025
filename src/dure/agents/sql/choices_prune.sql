-- Choices and bindings that nobody asks for any more. Locks: the rows. Index: choice_age, sticky_age.
with old as (
    delete from dure.choice where choice_id = any (array(
        select c.choice_id from dure.choice c where c.at < dure.now() - make_interval(secs => %(keep_s)s)
          and not exists (select from dure.task t where t.choice_id = c.choice_id) order by c.at limit %(most)s))
    returning 1
), unused as (
    delete from dure.sticky where ctid = any (array(
        select ctid from dure.sticky where used_at < dure.now() - make_interval(secs => %(keep_s)s) order by used_at limit %(most)s))
    returning 1
)
select (select count(*) from old) + (select count(*) from unused)
