"""Running operations in coroutines, and the owners that tasks are."""
from __future__ import annotations

import asyncio
import itertools
import weakref
from typing import Any, Optional

from ..call import Call, Request, Steps, T, checked_timeout
from ..client import Client, client as _own_client, process_owner
from ..names import Thing


async def ask(client: Client, request: Request) -> Any:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()
    session = client.session()

    def tell() -> None:
        if not answered.done():
            answered.set_result(None)

    def notify() -> None:
        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the loop is closed: nobody is there to take it
            session.abandon(asked)
    asked = Call(request, notify)
    try:
        session.submit(asked)
        await answered
    except BaseException:
        session.abandon(asked)
        raise
    return asked.outcome()


async def run(client: Client, steps: Steps[T]) -> T:
    """Carries out an operation of a client: what Client.run does for threads."""
    try:
        request = next(steps)
        while True:
            try:
                result = await ask(client, request)
            except BaseException as error:
                request = steps.throw(error)
            else:
                request = steps.send(result)
    except StopIteration as end:
        value: T = end.value
        return value


async def call(method: str, timeout: Optional[float] = None, *,
               client: Optional[Client] = None, **params: Any) -> Any:
    """Calls a method of the protocol; see syncd.Client.call."""
    return await ask(client or _own_client(),
                      Request(method, params, checked_timeout(timeout)))


_numbers = itertools.count(1)
_tasks: "weakref.WeakKeyDictionary[asyncio.Task[Any], int]" = \
    weakref.WeakKeyDictionary()


def owner() -> str:
    """On whose behalf this task takes locks; see syncd.owner."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("there is no task here")
    number = _tasks.get(task)
    if number is None:
        number = _tasks[task] = next(_numbers)
    return f"{process_owner()}/task{number}"


class Shown(Thing):
    """Its repr asks nobody: that would have to be awaited."""

    def __repr__(self) -> str:
        return (f"<syncd.aio.{type(self).__name__} at {id(self):#x}"
                f"{self._label()}>")


class Declared(Shown):
    """What is declared before its first use, as a constructor cannot wait."""

    _is_declared = False

    def _declare_steps(self) -> Steps[None]:
        raise NotImplementedError

    async def _run(self, steps: Steps[T]) -> T:
        if not self._is_declared:
            await run(self.client, self._declare_steps())
            self._is_declared = True
        return await run(self.client, steps)
