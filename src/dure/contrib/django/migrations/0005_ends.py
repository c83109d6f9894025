"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0005_ends.pre", after="0004_enqueue")
