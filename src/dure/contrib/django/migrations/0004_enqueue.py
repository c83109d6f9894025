"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0004_enqueue.pre", after="0003_checks")
