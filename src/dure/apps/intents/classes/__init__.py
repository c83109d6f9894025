"""Classes: who teaches what when, who sits there, and what changes about it."""
