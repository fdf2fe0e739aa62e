"""Lines of the daemon: replies, and what is said first on a connection.

Two requests go out in one write: session.open, which names the session or takes
it up again, and server.info, which tells the version of the protocol and how
long a line may be; a longer one would end the connection, and with it the
session.
"""
from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Optional

from .call import text_of
from .errors import (ConnectError, ProtocolError, ReplyError, error_of)
from .place import Unreached

PROTOCOL_VERSION = 1


class WrongPeer(Exception):
    """What answers is of no use; `error` is for whoever asks."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _nonsense(line: bytes, path: str) -> WrongPeer:
    quoted = line[:60].decode("ascii", "replace")
    return WrongPeer(ProtocolError(
        f"what answers at {path} does not speak as syncd does ({quoted!r}); is "
        f"that its socket, and of the same version?"))


class Reader:
    """Bytes to messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes, path: str) -> Iterator[Dict[str, Any]]:
        """The messages that are complete with these bytes."""
        scanned = len(self._bytes)
        self._bytes += data
        begin = 0
        while True:
            end = self._bytes.find(b"\n", max(begin, scanned))
            if end < 0:
                break
            line = bytes(self._bytes[begin:end])
            begin = end + 1
            yield self._message(line, path)
        del self._bytes[:begin]

    @staticmethod
    def _message(line: bytes, path: str) -> Dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError:
            raise _nonsense(line, path) from None
        if not isinstance(message, dict) or not (
                "result" in message or isinstance(message.get("error"), dict)):
            raise _nonsense(line, path)
        return message

    @staticmethod
    def error_of(message: Dict[str, Any]) -> Optional[ReplyError]:
        """The error that a reply is, if it is one."""
        error = message.get("error")
        return None if error is None else error_of(error)


def hello_lines(open_id: int, name: str, grace: float, session: int,
                secret: str, scopes: List[str]) -> bytes:
    """The two requests."""
    params: Dict[str, Any] = {"client": name, "private": scopes}
    if grace > 0:
        params["grace"] = grace
    if session:
        params["resume"] = {"session": session, "secret": secret}
    lines = [{"jsonrpc": "2.0", "id": open_id, "method": "session.open",
              "params": params},
             {"jsonrpc": "2.0", "id": open_id + 1, "method": "server.info"}]
    return "".join(text_of(line) + "\n" for line in lines).encode()


class Hello:
    """What the answers to them say."""

    def __init__(self, open_id: int, path: str) -> None:
        self.open_id = open_id
        self.session = 0
        self.secret = ""
        self.resumed = False
        self.message_max = 0
        self._path = path

    @property
    def complete(self) -> bool:
        """Are both there?"""
        return bool(self.session and self.message_max)

    def again(self, what: str) -> Unreached:
        """This connection is of no use, but the next may be."""
        return Unreached(ConnectError(f"the daemon at {self._path} {what}"),
                         hope=True, stale=True)

    def take(self, message: Dict[str, Any]) -> None:
        """One of the answers."""
        error = Reader.error_of(message)
        if error is not None and error.name == "unavailable":
            raise self.again("shuts down")
        if error is not None:
            raise WrongPeer(error)
        try:
            if message.get("id") == self.open_id:
                self._take_session(message["result"])
            elif message.get("id") == self.open_id + 1:
                self._take_info(message["result"])
            else:
                raise KeyError("id")
        except (KeyError, TypeError, ValueError):
            raise _nonsense(text_of(message).encode(), self._path) from None

    def _take_session(self, result: Dict[str, Any]) -> None:
        self.session = int(result["session"])
        self.secret = str(result["secret"])
        self.resumed = bool(result["resumed"])

    def _take_info(self, result: Dict[str, Any]) -> None:
        if result["protocol"] != PROTOCOL_VERSION:
            raise WrongPeer(ProtocolError(
                f"the daemon at {self._path} speaks version "
                f"{result['protocol']} of the protocol, and this module "
                f"{PROTOCOL_VERSION}: install both from one release"))
        self.message_max = int(result["limits"]["max_message"])
