-- Rows of a part are seen through its table alone.
alter table {} enable row level security
