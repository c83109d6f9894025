"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0019_a2a.pre", after="0018_ecosystem")
