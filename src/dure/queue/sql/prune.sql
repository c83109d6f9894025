-- Removes what ended long ago, one short step; see the function.
select last_id::text, removed from dure.prune(%(after)s::uuid, %(keep_s)s, %(keep_trouble_s)s, %(most)s)
