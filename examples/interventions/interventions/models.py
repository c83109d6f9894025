"""The tables that `interventions.generate` reads, and the one that it writes; their names are its defaults."""

from django.db import models


class User(models.Model):
    """Whoever keeps a diary."""

    name = models.CharField(max_length=100, blank=True, db_default="")
    is_active = models.BooleanField(default=True)
    opted_out = models.BooleanField(default=False)
    language = models.CharField(max_length=2, default="ko", choices=[("ko", "한국어"), ("en", "English")])

    def __str__(self):
        return self.name or f"user {self.pk}"


class UserFoodRecord(models.Model):
    """A meal."""

    user = models.ForeignKey(User, models.CASCADE)
    eaten_at = models.DateTimeField()
    calories = models.FloatField(null=True, blank=True)
    protein_g = models.FloatField(null=True, blank=True)
    carbs_g = models.FloatField(null=True, blank=True)
    fat_g = models.FloatField(null=True, blank=True)
    sodium_mg = models.FloatField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "eaten_at"], name="food_of_user")]  # noqa: RUF012


class UserExerciseRecord(models.Model):
    """A bout of exercise."""

    user = models.ForeignKey(User, models.CASCADE)
    started_at = models.DateTimeField()
    minutes = models.FloatField(null=True, blank=True)
    intensity = models.CharField(
        max_length=10, default="moderate", choices=[(name, name) for name in ("light", "moderate", "vigorous")]
    )

    class Meta:
        indexes = [models.Index(fields=["user", "started_at"], name="exercise_of_user")]  # noqa: RUF012


class UserSleepRecord(models.Model):
    """A night."""

    user = models.ForeignKey(User, models.CASCADE)
    slept_at = models.DateTimeField(null=True)
    woke_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "woke_at"], name="sleep_of_user")]  # noqa: RUF012


class Intervention(models.Model):
    """What a user was advised for a date; the database allows one of a kind and period."""

    user = models.ForeignKey(User, models.CASCADE)
    date = models.DateField()
    kind = models.CharField(max_length=100)
    period = models.CharField(max_length=10, default="day")
    content = models.TextField()
    inputs = models.JSONField(null=True)
    output = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [  # noqa: RUF012
            models.UniqueConstraint(fields=["user", "date", "kind", "period"], name="interventions_one_a_day")
        ]


class DayTotal(models.Model):
    """What a user ate on a day, kept by the job `diary.total`."""

    user = models.ForeignKey(User, models.CASCADE)
    date = models.DateField()
    calories = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "date"], name="one_total_a_day")]  # noqa: RUF012
