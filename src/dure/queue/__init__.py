"""Jobs: asking for them, claiming, running, ending them."""
