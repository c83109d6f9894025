"""Operations on notices: one is published, one is withdrawn."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import dure
from dure.apps.intents.communication.broadcasting import Text, Title
from dure.apps.intents.communication.notices import notice_of
from dure.apps.intents.naming import class_id_of
from dure.apps.intents.params import CLASS, Asked, Name
from dure.apps.intents.reading import PlanReader
from dure.runs.model import Draft

NOTICE = dure.Table("academy.notice")


@dure.operation("communication.publish_notice")
class PublishNotice:
    """Publishes a notice: a new one, or a draft when no text is given."""

    class Params(Asked):
        """What it says, and to which class."""

        title: Title
        """Of a draft: its title, or its id."""
        body: Text | None = None
        """None publishes the draft of this title."""
        class_name: Annotated[Name | None, CLASS] = None
        """None is everyone; a draft stays whose it is."""

    stores = (NOTICE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one notice."""
        view = PlanReader(ctx)
        if params.body is None:
            draft = await notice_of(view, params.title, ["draft"])
            yield {"id": str(draft["id"]), "title": draft["title"], "class": None}
        else:
            yield {"id": None, "title": params.title, "class": await class_id_of(view, params.class_name)}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield its row."""
        params: PublishNotice.Params = ctx.params
        store = ctx.store(NOTICE.name)
        for one in subjects:
            values = {"status": "published", "published_at": ctx.now}
            if one["id"] is not None:
                yield store.update(one["id"], values, subject=one["title"])
                continue
            new = {"title": params.title, "body": params.body, "class_id": one["class"], "created_at": ctx.now}
            yield store.create({"tenant_id": ctx.tenant_id, **new, **values}, subject=one["title"])


@dure.operation("communication.withdraw_notice")
class WithdrawNotice:
    """Withdraws a notice that is published."""

    class Params(Asked):
        """Which one."""

        title: Title
        """Or its id."""

    stores = (NOTICE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one notice."""
        notice = await notice_of(PlanReader(ctx), params.title, ["published"])
        yield {"id": str(notice["id"]), "title": notice["title"]}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield the change."""
        store = ctx.store(NOTICE.name)
        for one in subjects:
            yield store.update(one["id"], {"status": "withdrawn"}, subject=one["title"])
