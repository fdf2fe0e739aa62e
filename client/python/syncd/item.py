"""What may be put into a queue, and how it travels: always as JSON.

Items that JSON can say travel as it says them, so that any other client reads
them: None, booleans, numbers, text, lists, and dicts with text as keys. What
else is plain data is tagged, and comes back as what it was:

    (1, "a")    {"$tuple": [1, "a"]}
    b"abc"      {"$bytes": "YWJj"}
    {1, 2}      {"$set": [1, 2]}            also "$frozenset"
    {1: "a"}    {"$dict": [[1, "a"]]}       keys that are no text
    inf         {"$float": "inf"}           also nan

Any other object needs pickle, and unpickling what somebody else has made runs
whatever they like. So that is done only
- in a private queue, where each pickle is signed with a key that only those have
  who got the queue object itself, by fork or from multiprocessing;
- in one made with pickle=KEY, some secret bytes, signed with those;
- in one made with pickle=True, unsigned: everybody who may use the daemon is
  trusted.
"""
from __future__ import annotations

import base64
import hmac
import math
import pickle as _pickle
from typing import Any, Callable, Dict, Tuple, Union

# No pickle; any pickle; those signed with a key.
PickleTerm = Union[bool, bytes]


class NotPlain(TypeError):
    """It would need pickle."""


def _pack_dict(item: Dict[Any, Any]) -> Any:
    plain = all(type(key) is str for key in item)
    if plain and not (len(item) == 1 and next(iter(item)).startswith("$")):
        return {key: _pack(value) for key, value in item.items()}
    return {"$dict": [[_pack(key), _pack(value)]
                      for key, value in item.items()]}


def _pack_many(tag: str) -> Callable[[Any], Any]:
    return lambda item: {tag: [_pack(one) for one in item]}


def _pack_float(item: float) -> Any:
    return item if math.isfinite(item) else {"$float": repr(item)}


def _same(item: Any) -> Any:
    return item


_PACK: Dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    int: _same,
    str: _same,
    float: _pack_float,
    list: lambda item: [_pack(one) for one in item],
    dict: _pack_dict,
    tuple: _pack_many("$tuple"),
    set: _pack_many("$set"),
    frozenset: _pack_many("$frozenset"),
    bytes: lambda item: {"$bytes": base64.b64encode(item).decode()},
}


def _pack(item: Any) -> Any:
    pack = _PACK.get(type(item))
    if pack is None:
        raise NotPlain(f"{type(item).__module__}.{type(item).__qualname__}")
    return pack(item)


# tag: what stands behind it, and what that means
_UNPACK: Dict[str, Tuple[type, Callable[[Any], Any]]] = {
    "$tuple": (list, lambda value: tuple(_unpack(one) for one in value)),
    "$set": (list, lambda value: {_unpack(one) for one in value}),
    "$frozenset": (list, lambda value: frozenset(map(_unpack, value))),
    "$dict": (list, lambda value: {_unpack(key): _unpack(one)
                                   for key, one in value}),
    "$bytes": (str, base64.b64decode),
    "$float": (str, float),
}


def _unpack(body: Any) -> Any:
    if type(body) is list:
        return [_unpack(one) for one in body]
    if type(body) is not dict:
        return body
    if len(body) == 1:
        tag, value = next(iter(body.items()))
        kind, unpack = _UNPACK.get(tag, (None, _same))
        if type(value) is kind:
            try:
                return unpack(value)
            except (TypeError, ValueError):
                pass  # somebody else's, who means something else
    return {key: _unpack(value) for key, value in body.items()}


def _sign(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, "sha256").hexdigest()


def pack(item: Any, term: PickleTerm) -> Any:
    """The body of a job, for json."""
    try:
        return _pack(item)
    except NotPlain as why:
        if term is False:
            raise TypeError(
                f"{why} is not JSON, nor other plain data: put such data, or "
                f"make the queue with pickle=b'a secret' (or pickle=True, if "
                f"everybody who may use the daemon is trusted)") from None
    data = _pickle.dumps(item)
    body: Dict[str, str] = {"$pickle": base64.b64encode(data).decode()}
    if isinstance(term, bytes):
        body["hmac"] = _sign(term, data)
    return body


def unpack(body: Any, term: PickleTerm) -> Any:
    """The item that was put."""
    if type(body) is not dict or "$pickle" not in body:
        return _unpack(body)
    data = base64.b64decode(body["$pickle"])
    if term is False:
        raise TypeError("this item is a pickle, which is loaded only by a queue "
                        "made with pickle=")
    if isinstance(term, bytes) and not hmac.compare_digest(
            _sign(term, data), str(body.get("hmac"))):
        raise TypeError("this item is a pickle that was not signed with this "
                        "queue's key")
    return _pickle.loads(data)


# The order of a PriorityQueue.

def priority_of(item: Any) -> float:
    """The number that stands for an item: itself; the first of a tuple or list;
    its attribute `priority`; of text, what its first six bytes say."""
    if isinstance(item, (tuple, list)) and item:
        item = item[0]
    elif not isinstance(item, (int, float, str, bytes)):
        item = getattr(item, "priority", item)
    if isinstance(item, (int, float)):
        return float(item)
    if isinstance(item, str):
        item = item.encode("utf-8", "surrogatepass")
    if isinstance(item, bytes):
        return float(int.from_bytes(item[:6].ljust(6, b"\0"), "big"))
    raise TypeError(
        f"a PriorityQueue takes numbers, text, tuples that begin with one, and "
        f"objects with a `priority`, not {type(item).__name__}; or say "
        f"put(item, priority=...)")

