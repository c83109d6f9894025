"""What other code of the project asks for, under the names that it always had."""

from dure.contrib.django import get_schedule_status

__all__ = ["get_schedule_status"]
