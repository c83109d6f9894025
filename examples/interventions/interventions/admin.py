"""The admin: a meal that is saved asks for its day's total in the same transaction."""

from django.contrib import admin
from django.utils.timezone import localdate

from dure.contrib.django import enqueue
from interventions.models import DayTotal, Intervention, User, UserExerciseRecord, UserFoodRecord, UserSleepRecord


@admin.register(UserFoodRecord)
class FoodAdmin(admin.ModelAdmin):
    """Meals."""

    list_display = ("user", "eaten_at", "calories")

    def save_model(self, request, obj, form, change):
        """Save the meal and ask for the job: both are there, or neither."""
        super().save_model(request, obj, form, change)
        enqueue("diary.total", {"user": obj.user_id, "date": localdate(obj.eaten_at).isoformat()})


@admin.register(Intervention)
class InterventionAdmin(admin.ModelAdmin):
    """What was advised."""

    list_display = ("user", "date", "kind", "period", "updated_at")
    list_filter = ("date", "period")


admin.site.register([User, UserExerciseRecord, UserSleepRecord, DayTotal])
