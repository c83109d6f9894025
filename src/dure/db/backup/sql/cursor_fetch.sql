-- The next part.
fetch forward {} from dure_rows
