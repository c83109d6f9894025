-- The transaction that is thrown away.
begin transaction isolation level repeatable read
