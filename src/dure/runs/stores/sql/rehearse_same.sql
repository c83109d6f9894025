-- Lets the transaction that writes the plan see just what the other one saw before it did anything.
set transaction isolation level repeatable read
