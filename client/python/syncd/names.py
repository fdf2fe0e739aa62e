"""Names: given first, or private; and what becomes of a private thing."""
from __future__ import annotations

import functools
import itertools
import weakref
from typing import Any, Callable, Dict, Optional, Tuple, Type

from .call import Request
from .client import Client, client as _own_client
from .scope import PRIVATE, inherit, private_name

_cleanups = itertools.count()


def leading_name(init: Callable[..., None]) -> Callable[..., None]:
    """Lets a str given first be the name, before the arguments that the class
    of threading or queue takes."""
    @functools.wraps(init)
    def with_name(self: Any, *args: Any, **options: Any) -> None:
        if args and isinstance(args[0], str):
            options["name"] = args[0]
            args = args[1:]
        init(self, *args, **options)
    return with_name


class Thing:
    """What has a name at the daemon, and a client to reach it by.

    A private one (`name` not given) lives as long as the object that made it, in
    the process that made it; others have it by fork, or by pickling the object,
    as multiprocessing does. Whatever is left of it goes with the last of these
    processes.
    """

    def __init__(self, name: Optional[str], client: Optional[Client]) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a name is a str, not {type(name).__name__}")
        self.name: str = private_name() if name is None else name
        self.client: Client = _own_client() if client is None else client
        self._is_default = client is None
        self._is_private = name is None

    def _label(self) -> str:
        """For repr: nothing for a private one, as threading has no names."""
        return "" if self.name.startswith(PRIVATE) else f" {self.name!r}"

    def _cleanup(self, *requests: Request) -> None:
        """What to ask for when a private one is gone."""
        if self._is_private:
            key = next(_cleanups)
            self.client.cleanups[key] = list(requests)
            # At the end of the process the client sees to it.
            weakref.finalize(self, _clean, self.client, key).atexit = False

    def _terms(self) -> Dict[str, Any]:
        """The keyword options that make the same again under its name."""
        return {}

    def __reduce__(self) -> Tuple[Any, ...]:
        if not self._is_default:
            raise TypeError("what has a client of its own cannot be pickled: "
                            "make it anew over there, by its name")
        return _again, (type(self), self.name, self._terms())


def _again(kind: Type[Any], name: str, terms: Dict[str, Any]) -> Any:
    inherit(name)
    return kind(name=name, **terms)


def _clean(client: Client, key: int) -> None:
    """It was collected. In a child there is nothing: it is the parent's."""
    for request in client.cleanups.pop(key, []):
        client.post(request)
