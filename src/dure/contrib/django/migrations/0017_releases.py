"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0017_releases.pre", after="0016_channels")
