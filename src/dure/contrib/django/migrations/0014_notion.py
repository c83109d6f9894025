"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0014_notion.pre", after="0013_schedules")
