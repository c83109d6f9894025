"""Django's own tasks."""

from django_shop.models import Order

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


class Gone(Exception):
    pass


@task()
def pay(note):
    Order.objects.filter(note=note).update(paid=True)
    return f"paid {note}"


@task()
async def add(a, b=1):
    return {"sum": a + b}


@task(takes_context=True)
def tell(context, *, word):
    return [word, context.attempt, context.task_result.id]


@task()
def refuse():
    raise ValueError("no such order")


@task()
def lose():
    raise Gone("lost")
