"""The project's own handlers: `manage.py dure_worker` runs them, with the ORM."""

from datetime import date

from django.db.models import Sum
from pydantic import BaseModel

from dure import handler
from interventions.models import DayTotal, UserFoodRecord


class Day(BaseModel):
    """Whose day, and which."""

    user: int
    date: date


@handler("diary.total")
def total(day: Day) -> None:
    """Add up what a user ate on a day."""
    eaten = UserFoodRecord.objects.filter(user=day.user, eaten_at__date=day.date).aggregate(sum=Sum("calories"))["sum"]
    DayTotal.objects.update_or_create(user_id=day.user, date=day.date, defaults={"calories": eaten or 0})
