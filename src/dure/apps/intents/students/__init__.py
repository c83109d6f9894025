"""Students: who they are, who they belong to, whether they are here."""
