"""Users, what they ate, how they moved and slept, and what they were advised."""
