-- Notes that a migration's file was applied, in the transaction that applied it.
INSERT INTO dure.migration (number, name, phase, checksum) VALUES (%s, %s, %s, %s)
