-- Puts a message in, unless the same is there; see dure.outbox_put. Locks: an advisory lock of the same message.
select id::text, is_new from dure.outbox_put(%(tenant)s, %(request)s::uuid, %(target)s, %(channel)s, %(to)s, %(subject)s, %(body)s, %(dedupe)s, %(same_s)s)
