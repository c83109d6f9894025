-- The same as rows: SQL editors show the result of the last statement.
select r as message from dure.agents_report('default') r
