-- Before the next table's.
close dure_rows
