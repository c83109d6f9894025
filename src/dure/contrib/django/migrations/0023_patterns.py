"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0023_patterns.pre", after="0022_outbox")
