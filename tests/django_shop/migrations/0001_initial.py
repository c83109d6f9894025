# ruff: noqa: RUF012 - as Django writes them.

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("note", models.TextField(unique=True)),
                ("paid", models.BooleanField(default=False)),
            ],
        ),
    ]
