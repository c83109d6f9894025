-- Which extensions are there, and which could be.
select a.name, case when a.installed_version is null then 'available' else 'installed' end
from pg_catalog.pg_available_extensions a where a.name = any (%(names)s::text[])
