"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0007_requests.pre", after="0006_limits")
