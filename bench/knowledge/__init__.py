"""What finds duplicates how well and how fast: `python -m bench.knowledge`."""
