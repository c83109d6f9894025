"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0016_channels.pre", after="0015_agents")
