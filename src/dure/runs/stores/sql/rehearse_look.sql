-- A transaction that cannot write, for looking at a statement.
begin transaction isolation level repeatable read, read only
