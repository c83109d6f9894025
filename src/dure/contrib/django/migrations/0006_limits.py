"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0006_limits.pre", after="0005_ends")
