"""Which configuration a caller has: several engines attach to one provider process at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic as _now

from sandbox.aws_provider.configuration import Configuration
from sandbox.aws_provider.errors import NotConfiguredError, ProviderError
from sandbox.aws_provider.session import Session

_REMEMBERED = 1024  # connections; the oldest are forgotten, so that a long-lived sandbox does not grow
_REUSED_SECONDS = 60.0  # a system gives an address to a new connection no sooner


@dataclass
class _Used:
    session: Session
    moment: float


class Connections:
    """Sessions by connection (gRPC peer); equal configurations share one session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_peer: OrderedDict[str, _Used] = OrderedDict()
        self._by_configuration: dict[Configuration, Session] = {}
        self._directories: OrderedDict[str, str] = OrderedDict()

    def configure(self, peer: str, configuration: Configuration) -> Session:
        """Gives a connection its session.

        Raises ProviderError if the configuration cannot work, or the connection is in use with another one: requests
        do not say which provider they are for, and the two would mix.
        """
        with self._lock:
            used = self._by_peer.get(peer)
            recent = used is not None and _now() - used.moment < _REUSED_SECONDS
            if used is not None and recent and used.session.configuration != configuration:
                raise ProviderError(
                    "two aws providers with different configurations share one connection: open a channel of its own "
                    "for each (gRPC option grpc.use_local_subchannel_pool)"
                )
            session = self._by_configuration.get(configuration)
            if session is None:
                session = self._by_configuration[configuration] = Session(configuration)
            self._by_peer[peer] = _Used(session, _now())
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
            used = self._by_peer.get(peer)
            session = None
            if used is not None:
                session, used.moment = used.session, _now()
            elif len(self._by_configuration) == 1:
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
