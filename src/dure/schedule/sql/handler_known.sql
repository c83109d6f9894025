-- Whether the database knows a handler. Locks nothing. Index: handler's primary key.
select from dure.handler where handler = %(handler)s
