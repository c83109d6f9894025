-- What this database has. Only after migration_table said that the table is there.
SELECT number, name, phase, checksum, applied_at FROM dure.migration ORDER BY number, phase DESC
