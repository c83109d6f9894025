"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0003_checks.pre", after="0002_queue")
