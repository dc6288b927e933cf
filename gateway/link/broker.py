"""The embedded broker: a supervised mosquitto with its own passwords and ACL.

Rules:

1. It admits no anonymous client. Each known client gets a random password, made once and kept in
   ``<folder>/clients/<name>``; ``users_file`` adds clients and may set a known one's password.
2. A client writes its own leaves of the topic table and nothing else (`broker_files.acl`).
3. Beyond loopback it starts only with users and TLS.
4. It dies with its parent (PR_SET_PDEATHSIG). A lock on the folder says that its gateway lives;
   a mosquitto that still runs on this folder without one is an orphan and is ended.
5. A broker that dies is started again after a pause with jitter. One that cannot be started the
   first time is an error that says why, and who holds its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ipaddress
import logging
import os
import pwd
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import BrokerError
from gateway.link.address import BrokerAddress, Tls
from gateway.link.backoff import Backoff
from gateway.link.broker_files import (
    ConfigurationFacts,
    acl,
    configuration,
    parse_users,
    passwords,
)
from gateway.link.broker_process import check_port, end_orphans, follow, mosquitto
from gateway.link.port_owner import command_of
from gateway.ops.disk import DISK_FAILS

_LOGGER = logging.getLogger(__name__)

_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a comparison, no bind


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """``clients`` are the names that get a password of ours; ``folder`` is private to the broker."""

    host: str
    port: int
    folder: Path
    root: str = "baiying"
    discovery: str | None = None
    """Home Assistant's topic prefix, where that is a neighbour."""
    clients: tuple[str, ...] = ()
    users_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class EmbeddedBroker:
    """A mosquitto of our own. `run` keeps it alive; `ready` waits for its first start."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._folder = options.folder.absolute()
        self._ready = asyncio.Event()
        self._users: dict[str, str] = {}
        self.starts = 0
        self.pid: int | None = None

    async def ready(self) -> None:
        """Return once it accepts connections for the first time."""
        await self._ready.wait()

    def address(self, name: str) -> BrokerAddress:
        """How the known client ``name`` on this machine reaches it. Valid once `prepare` has run.

        With TLS, the client trusts exactly the broker's own certificate: an operator's
        certificate seldom bears the name ``127.0.0.1``.
        """
        options = self._options
        user, password = self.credentials(name)
        return BrokerAddress(
            host=_UNSPECIFIED.get(options.host, options.host),
            port=options.port,
            username=user,
            password=password,
            tls=None if options.cert_file is None else Tls(pinned_file=options.cert_file),
        )

    def credentials(self, name: str) -> tuple[str, str]:
        """User name and password of a known client, or of one in ``users_file``.

        Raises:
            BrokerError: it knows no such client.
        """
        try:
            return name, self._users[name]
        except KeyError:
            raise BrokerError(f"the embedded broker knows no client {name}") from None

    def prepare(self) -> None:
        """Check the options and write the folder; `run` does it, unless it was done already.

        Raises:
            BrokerError: the options cannot work, or the folder cannot be written.
        """
        _check(self._options)
        try:
            for folder in (self._folder, self._folder / "clients"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if folder.stat().st_mode & 0o077:
                    folder.chmod(0o700)
            self._users = self._known_users()
            salts = {name: secrets.token_bytes(12) for name in self._users}
            options = self._options
            facts = ConfigurationFacts(
                host=options.host,
                port=options.port,
                folder=self._folder,
                user=pwd.getpwuid(os.geteuid()).pw_name,
                cert_file=options.cert_file and options.cert_file.absolute(),
                key_file=options.key_file and options.key_file.absolute(),
            )
            _write(self._folder / "passwords", passwords(self._users, salts))
            _write(self._folder / "acl", acl(options.root, options.discovery))
            _write(self._configuration, configuration(facts))
        except (OSError, KeyError) as error:
            raise BrokerError(f"cannot prepare the broker's folder: {error}") from error

    async def run(self) -> None:
        """Start it, and start it again whenever it dies, until cancelled; then stop it.

        Raises:
            BrokerError: it cannot be started the first time (no mosquitto, port taken ...).
        """
        if not self._users:
            self.prepare()
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random)
        with _locked(self._folder / "lock"):
            await end_orphans(self._configuration)
            while True:
                started = loop.time()
                try:
                    await self._live()
                except BrokerError as error:
                    if not self._ready.is_set():
                        raise
                    _LOGGER.warning("broker: %s", error)
                backoff.lasted(loop.time() - started)
                await asyncio.sleep(backoff.pause())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EmbeddedBroker]:
        """Run it for the length of a block; the block begins once it accepts connections.

        Raises:
            BrokerError: it cannot be started.
        """
        runner = asyncio.create_task(self.run(), name="broker")
        ready = asyncio.create_task(self.ready(), name="broker.ready")
        try:
            await asyncio.wait([runner, ready], return_when=asyncio.FIRST_COMPLETED)
            if runner.done():
                runner.result()
            yield self
        finally:
            ready.cancel()
            runner.cancel()
            await asyncio.gather(runner, ready, return_exceptions=True)

    @property
    def _configuration(self) -> Path:
        return self._folder / "mosquitto.conf"

    def _known_users(self) -> dict[str, str]:
        users = {name: self._kept_password(name) for name in self._options.clients}
        file = self._options.users_file
        if file is not None:
            try:
                users |= parse_users(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise BrokerError(f"{file}: {error}") from error
        return users

    def _kept_password(self, name: str) -> str:
        """The password made for ``name`` once; a restart must not lock a running client out."""
        file = self._folder / "clients" / name
        with contextlib.suppress(FileNotFoundError):
            if kept := file.read_text(encoding="ascii").strip():
                return kept
        made = secrets.token_urlsafe(24)
        _write(file, made + "\n")
        return made

    async def _live(self) -> None:
        """One life of mosquitto: start, serve, die.

        Raises:
            BrokerError: it did not come up.
        """
        options = self._options
        check_port(options.host, options.port)
        async with mosquitto(self._configuration) as process:
            self.starts += 1
            self.pid = process.pid
            self._ready.set()
            _LOGGER.info("broker: listening on %s:%d", options.host, options.port)
            status = await follow(process)
        _LOGGER.warning("broker: ended with status %d; starting it again", status)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(options: BrokerOptions) -> None:
    if (options.cert_file is None) != (options.key_file is None):
        raise BrokerError("the embedded broker's TLS needs both a certificate and a key")
    if options.cert_file is not None and options.key_file is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                options.cert_file, options.key_file
            )
        except (OSError, ssl.SSLError) as error:
            files = f"{options.cert_file} and {options.key_file}"
            raise BrokerError(f"cannot use {files} for TLS: {error}") from error
    open_to_others = not is_loopback(options.host)
    if open_to_others and (options.cert_file is None or options.users_file is None):
        raise BrokerError(
            f"listening on {options.host} needs users (users_file) and TLS (cert_file, key_file)"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        BrokerError: another gateway holds it.
    """
    try:
        opened = path.open("a+", encoding="ascii")
    except OSError as error:
        if error.errno not in DISK_FAILS or not path.exists():
            raise BrokerError(f"cannot lock the broker's folder: {error}") from error
        opened = path.open(encoding="ascii")
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            who = f"process {holder} ({command_of(int(holder))})" if holder.isdigit() else "another"
            raise BrokerError(f"{path.parent} is in use by {who}") from None
        with contextlib.suppress(OSError):  # for people; the disk may be full
            lock.truncate(0)
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        yield


def _write(path: Path, text: str) -> None:
    """Replace a private file in one step; on a full or failing disk an earlier run's will do."""
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.rename(path)
    except OSError as error:
        if error.errno not in DISK_FAILS or not path.exists():
            raise
        _LOGGER.error("broker: %s stays as it was: %s", path, error.strerror)
