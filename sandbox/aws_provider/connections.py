"""Which configuration a caller has: several engines attach to one provider process at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sandbox.aws_provider.configuration import Configuration
from sandbox.aws_provider.errors import NotConfiguredError
from sandbox.aws_provider.session import Session

_REMEMBERED = 1024  # connections; the oldest are forgotten, so that a long-lived sandbox does not grow


class Connections:
    """Sessions by connection (gRPC peer); equal configurations share one session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_peer: OrderedDict[str, Session] = OrderedDict()
        self._by_configuration: dict[Configuration, Session] = {}
        self._directories: OrderedDict[str, str] = OrderedDict()

    def configure(self, peer: str, configuration: Configuration) -> Session:
        """Gives a connection its session; raises ProviderError if the configuration cannot work."""
        with self._lock:
            session = self._by_configuration.get(configuration)
            if session is None:
                session = self._by_configuration[configuration] = Session(configuration)
            self._by_peer[peer] = session
            self._by_peer.move_to_end(peer)
            while len(self._by_peer) > _REMEMBERED:
                self._by_peer.popitem(last=False)
        return session

    def session(self, peer: str) -> Session:
        """The connection's session.

        A channel that was idle comes back under a new address: as long as all engines asked for the same
        configuration there is no doubt which it is. Raises NotConfiguredError otherwise.
        """
        with self._lock:
            session = self._by_peer.get(peer)
            if session is None and len(self._by_configuration) == 1:
                session = next(iter(self._by_configuration.values()))
        if session is None:
            raise NotConfiguredError(
                f"the aws provider has no configuration for the connection {peer}: run the command again"
            )
        return session

    def place(self, peer: str, directory: str) -> None:
        """Remembers where the program of a connection is: relative paths of assets start there."""
        with self._lock:
            self._directories[peer] = directory
            while len(self._directories) > _REMEMBERED:
                self._directories.popitem(last=False)

    def directory(self, peer: str) -> str | None:
        with self._lock:
            return self._directories.get(peer)
