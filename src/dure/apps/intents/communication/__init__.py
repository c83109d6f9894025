"""What guardians are told, and what became of it."""
