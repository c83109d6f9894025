-- Keeps tables from being altered until the transaction ends; rows of theirs may still be read and written by others.
lock table {tables} in row exclusive mode
