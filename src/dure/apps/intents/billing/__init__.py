"""What students are charged, what they paid, and what is still owed."""
