-- A value of a type whose text never has a line end.
quote_nullable({0}::text)
