"""Who came, who came late, who did not: read, marked, and told to guardians."""
