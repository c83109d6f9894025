"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0021_intents.pre", after="0020_tasks")
