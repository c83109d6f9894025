-- A memory of the example data; one that is there already stays as it is.
insert into {table} (id, vector, payload) values (%(id)s::uuid, %(vector)s::vector, %(payload)s::text::jsonb) on conflict (id) do nothing
