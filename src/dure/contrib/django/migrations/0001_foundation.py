"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0001_foundation.pre", after=None)
