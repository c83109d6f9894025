-- A setting that the database itself enforces; see dure.check_params.
insert into dure.setting as s (name, value) values (%(name)s, %(value)s::text::jsonb)
on conflict (name) do update set value = excluded.value where s.value is distinct from excluded.value
