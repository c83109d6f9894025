"""Deduplication of what agents know: their memories, decision rules and skills."""
