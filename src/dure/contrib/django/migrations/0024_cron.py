"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0024_cron.pre", after="0023_patterns")
