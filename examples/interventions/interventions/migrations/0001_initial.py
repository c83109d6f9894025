# ruff: noqa: RUF012 - as Django writes them.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(blank=True, db_default="", max_length=100)),
                ("is_active", models.BooleanField(default=True)),
                ("opted_out", models.BooleanField(default=False)),
                (
                    "language",
                    models.CharField(choices=[("ko", "한국어"), ("en", "English")], default="ko", max_length=2),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Intervention",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField()),
                ("kind", models.CharField(max_length=100)),
                ("period", models.CharField(default="day", max_length=10)),
                ("content", models.TextField()),
                ("inputs", models.JSONField(null=True)),
                ("output", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="interventions.user")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "date", "kind", "period"), name="interventions_one_a_day")
                ],
            },
        ),
        migrations.CreateModel(
            name="DayTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField()),
                ("calories", models.FloatField()),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="interventions.user")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "date"), name="one_total_a_day")],
            },
        ),
        migrations.CreateModel(
            name="UserExerciseRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("minutes", models.FloatField(blank=True, null=True)),
                (
                    "intensity",
                    models.CharField(
                        choices=[("light", "light"), ("moderate", "moderate"), ("vigorous", "vigorous")],
                        default="moderate",
                        max_length=10,
                    ),
                ),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="interventions.user")),
            ],
            options={
                "indexes": [models.Index(fields=["user", "started_at"], name="exercise_of_user")],
            },
        ),
        migrations.CreateModel(
            name="UserFoodRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("eaten_at", models.DateTimeField()),
                ("calories", models.FloatField(blank=True, null=True)),
                ("protein_g", models.FloatField(blank=True, null=True)),
                ("carbs_g", models.FloatField(blank=True, null=True)),
                ("fat_g", models.FloatField(blank=True, null=True)),
                ("sodium_mg", models.FloatField(blank=True, null=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="interventions.user")),
            ],
            options={
                "indexes": [models.Index(fields=["user", "eaten_at"], name="food_of_user")],
            },
        ),
        migrations.CreateModel(
            name="UserSleepRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slept_at", models.DateTimeField(null=True)),
                ("woke_at", models.DateTimeField()),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="interventions.user")),
            ],
            options={
                "indexes": [models.Index(fields=["user", "woke_at"], name="sleep_of_user")],
            },
        ),
    ]
