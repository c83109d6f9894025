"""`from core.batch_deduplicator import BatchDeduplicator`, as older scripts say it."""

from dure.apps.knowledge.batch import BatchDeduplicator

__all__ = ["BatchDeduplicator"]
