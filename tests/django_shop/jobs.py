"""Handlers that use the ORM."""

import os
import threading

from django.db import connection

from django_shop.models import Order
from dure import Done, handler


@handler("shop.pay")
def pay(params):
    Order.objects.filter(note=params["note"]).update(paid=True)
    return {"thread": threading.current_thread().name, "connection": connection.connection.info.backend_pid}


@handler("shop.pay_async")
async def pay_async(params):
    order = await Order.objects.aget(note=params["note"])
    order.paid = True
    await order.asave()


@handler("shop.pay_apart", isolate="process")
def pay_apart(params):
    Order.objects.filter(note=params["note"]).update(paid=True)
    return Done(os.getpid())


@handler("shop.backend")
def backend(params):
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return {"pid": cursor.fetchone()[0]}


@handler("shop.close")
def close(params):
    connection.close()
