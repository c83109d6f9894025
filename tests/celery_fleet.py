"""A Celery application as there may be one already, and its tasks; `celery -A celery_fleet worker` runs them."""

import os

from celery import Celery

URL = os.environ.get("CELERY_TEST_URL", "")
app = Celery("fleet", broker=URL or "memory://", backend=URL or "cache+memory://")
app.conf.update(broker_connection_retry_on_startup=True, task_default_queue="fleet", result_expires=600)


class Gone(Exception):
    pass


def times(key):
    """Count up, where every process sees it."""
    return app.backend.client.incr(f"times:{key}")


@app.task(name="fleet.add")
def add(a, b=1):
    return a + b


@app.task(name="fleet.fail")
def fail(kind):
    raise {"value": ValueError, "gone": Gone, "os": OSError}[kind]("it went wrong")


@app.task(name="fleet.Flaky")
def flaky(key):
    if times(key) == 1:
        raise OSError("the first time it fails")
    return {"times": int(app.backend.client.get(f"times:{key}"))}


@app.task(name="fleet.again", bind=True, max_retries=2)
def again(self, key):
    if times(key) == 1:
        raise self.retry(countdown=0)
    return "at last"


@app.task(name="fleet.wait")
def wait(key):
    """Say that it is here, and wait until it is let go."""
    count = times(key)
    app.backend.client.blpop(f"go:{key}", timeout=30)
    return count
