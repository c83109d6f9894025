-- What the guards said before an application. Locks the run's row.
update dure.run set guards = %(guards)s::text::jsonb where id = %(id)s::text::uuid
