"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0018_ecosystem.pre", after="0017_releases")
