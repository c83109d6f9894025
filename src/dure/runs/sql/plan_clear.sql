-- Takes away what an attempt to plan left behind that was committed by itself. Locks the rows. Index: primary keys.
with chunk as (delete from dure.chunk where run_id = %(id)s::text::uuid),
     scope as (delete from dure.run_scope where run_id = %(id)s::text::uuid)
delete from dure.change where run_id = %(id)s::text::uuid
