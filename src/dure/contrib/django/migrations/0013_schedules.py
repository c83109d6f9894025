"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0013_schedules.pre", after="0012_knowledge")
