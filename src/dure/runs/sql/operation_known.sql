-- Whose approval an operation asks for; no row when nobody declared it. Locks nothing. Index: operation's primary key.
select approval from dure.operation where operation = %(operation)s
