-- Removes counts of days that nobody asks about any more. Locks: those rows. A small table: a row a tenant, key and day.
delete from dure.intent_use where day < (dure.now() - make_interval(secs => %(keep_s)s))::date
