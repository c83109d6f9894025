-- Removes old minutes, some at a time; those in another process's hands are passed by. Index: agent_minute_age.
delete from dure.agent_minute where ctid = any (array(
    select ctid from dure.agent_minute where minute < (select dure.now()) - make_interval(days => %(keep_days)s::integer)
    order by minute limit %(most)s for update skip locked))
