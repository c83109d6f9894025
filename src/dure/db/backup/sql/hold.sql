-- Everybody may read on, nobody writes.
lock table {tables} in share row exclusive mode
