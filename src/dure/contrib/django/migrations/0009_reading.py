"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0009_reading.pre", after="0008_faces")
