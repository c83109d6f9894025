"""As many intents as `BENCH_INTENTS` says: one of them can be run, the others only have names. For `bench.intents`."""

import os
from typing import Any

from pydantic import BaseModel

from dure.intents import Declaration, intent

HERE = "bench.intent_keys:Echo"
FIRST = Declaration(key="bench.get.k0", title={"en": "Says it again", "ko": "되풀이합니다"}, target=HERE, ask="viewer")


@intent(FIRST)
class Echo:
    class Params(BaseModel):
        n: int = 0

    async def answer(self, params: Any, ctx: Any) -> Any:
        return {"n": params.n}


def declare(count: int) -> dict[str, Declaration]:
    rest = {
        f"bench.get.k{n}": Declaration(key=f"bench.get.k{n}", title=FIRST.title, target=HERE) for n in range(1, count)
    }
    return {FIRST.key: FIRST, **rest}


INTENTS = declare(int(os.environ.get("BENCH_INTENTS", "10")))
