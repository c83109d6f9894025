"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0010_copy.pre", after="0009_reading")
