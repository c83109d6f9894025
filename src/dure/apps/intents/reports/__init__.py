"""What a person reads: reports of days, weeks and months, of classes and students, and tables for spreadsheets."""
