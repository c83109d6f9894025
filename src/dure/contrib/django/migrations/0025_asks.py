"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0025_asks.pre", after="0024_cron")
