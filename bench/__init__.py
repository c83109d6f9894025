"""The benchmark behind `make bench`: Dure beside its peers, on one PostgreSQL server, in one run."""
