-- Whether the database knows an operation. Locks nothing. Index: operation's primary key.
select from dure.operation where operation = %(operation)s
