-- Rows are fetched in parts, so that neither side ever holds a whole table.
declare dure_rows no scroll cursor for {}
