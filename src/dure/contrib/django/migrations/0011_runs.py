"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0011_runs.pre", after="0010_copy")
