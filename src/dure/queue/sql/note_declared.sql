-- Remembers the digest of the declaration just written.
insert into dure.setting (name, value) values ('handlers_declared', to_jsonb(%(digest)s::text))
on conflict (name) do update set value = excluded.value
