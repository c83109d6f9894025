"""An academy, run by what its staff say: students, guardians, classes, attendance, invoices, notices, reports."""
