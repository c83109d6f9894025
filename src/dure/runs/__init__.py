"""Runs: batches that change data through a plan, and the way back."""
