-- Between which ids jobs of a span of time lie, so that a list by time reads only that part of the key's index. Ids are
-- made by the machine's clock just after created_at; while a test's clock stands still they tell nothing (no row).
-- Locks nothing.
select coalesce(dure.uuid7_at(%(after)s::timestamptz), '00000000-0000-0000-0000-000000000000')::text,
       coalesce(dure.uuid7_at(%(before)s::timestamptz + interval '1 minute'), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::text
from dure.clock where fake_now is null
