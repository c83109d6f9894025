-- Notes that a key was used, at most once a minute. A row that another request holds is left to that one.
-- Locks the key's row. Index: api_key's primary key.
update dure.api_key set last_used_at = dure.now()
where key_id = (select k.key_id from dure.api_key k where k.key_id = %(id)s::text::uuid
                and (k.last_used_at is null or k.last_used_at < dure.now() - interval '1 minute') for update skip locked)
