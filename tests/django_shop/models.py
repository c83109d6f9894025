from django.db import models


class Order(models.Model):
    note = models.TextField(unique=True)
    paid = models.BooleanField(default=False)
