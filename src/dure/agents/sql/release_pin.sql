-- Notes the moment from which on a release that pins knowledge has to answer for what is learned. Locks its row. Index: release_id_key.
update dure.release set pinned_at = case when pin_knowledge then dure.now() end where id = %(id)s::text::uuid
