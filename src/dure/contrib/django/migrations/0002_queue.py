"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0002_queue.pre", after="0001_foundation")
