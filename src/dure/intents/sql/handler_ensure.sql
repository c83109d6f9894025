-- An intent that no worker has declared yet may be asked for all the same. Locks: nothing but its own row.
insert into dure.handler (handler, queue) values (%(key)s, %(queue)s) on conflict (handler) do nothing
