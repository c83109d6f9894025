"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0020_tasks.pre", after="0019_a2a")
