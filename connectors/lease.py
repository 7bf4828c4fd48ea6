"""Who works on an import, to read its file or to undo it, holds the lease of its row; a run that ended anywhere lets it
run out, and somebody else goes on from what was committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import update

from connectors.course import Course, mine, open_course, seal_course
from connectors.models import Import
from vault import crypto
from vault.keyring import hold

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server

LEASE = 20  # seconds
HELD = "leases of imports"  # those of this process, in the server's memory


class Lost(Exception):
    """Somebody else has the lease, she stopped the import, or her vault was locked."""


@dataclass(frozen=True, eq=False)
class Lease:
    """The lease of one import, for as long as its row is in `state`; given back, it is in `rests` again."""

    vault: OpenVault
    import_id: bytes
    lease_id: bytes
    state: str
    rests: str

    def save(self, session: Session, course: Course, **values: object) -> None:
        """Raises Lost unless the lease is still held; nothing of the transaction is committed then."""
        hold(session, self.vault.keyring)
        box = seal_course(self.vault, self.import_id, course)
        if not self._write(session, box=box, **values):
            raise Lost

    def until(self) -> int:
        """The end of a lease that is held on to now (seconds since 1970)."""
        return self.vault.server.now + LEASE

    def release(self) -> None:
        """Let somebody else go on from there; nothing happens if the lease is not held any more."""
        with self.vault.server.main.transaction() as session:
            self._write(session, state=self.rests, lease_id=None, lease_until=0)

    def _write(self, session: Session, **values: object) -> bool:
        held = (*mine(self.vault, self.import_id), Import.lease_id == self.lease_id, Import.state == self.state)
        written = session.execute(update(Import).where(*held).values(**values))
        return bool(written.rowcount == 1)  # type: ignore[attr-defined]  # an UPDATE's result has a row count


class Run(Protocol):
    """What is done under a lease."""

    def to_the_end(self) -> None:
        """All of it. Raises Lost."""


def take(vault: OpenVault, import_id: bytes, states: Sequence[str], becomes: str = "") -> tuple[Lease, Course] | None:
    """The lease of an import in one of these states, and how far it has come; None where somebody else has it.

    It `becomes` another state while it is worked on, and is in the first of them again afterwards; or stays as it is.
    """
    lease, now = crypto.random_bytes(16), vault.server.now
    values: dict[str, object] = {"lease_id": lease, "lease_until": now + LEASE} | (
        {"state": becomes} if becomes else {}
    )
    with vault.server.main.transaction() as session:
        row = session.execute(
            update(Import)
            .where(*mine(vault, import_id), Import.state.in_(states), Import.lease_until <= now)
            .values(**values)
            .returning(Import.state, Import.box)
        ).first()
    if row is None:
        return None
    rests = states[0] if becomes else row.state
    return Lease(vault, import_id, lease, row.state, rests), open_course(vault, import_id, row.box)


def work(taken: tuple[Lease, Course] | None, begin: Callable[[Lease, Course], Run]) -> None:
    """Do what is left to do, from where it stands, or until the lease is lost.

    Nothing where it was not to be had, nor where she had stopped the import before it was taken.
    """
    if taken is None:
        return
    lease, course = taken
    held: set[Lease] = lease.vault.server.memory.setdefault(HELD, set())
    held.add(lease)
    try:
        if not course.stopped:
            begin(lease, course).to_the_end()
    except Lost:
        pass  # what was committed counts
    finally:
        held.discard(lease)
        lease.release()


def give_back(server: Server) -> None:
    """This process ends: others may go on with its imports at once. A thread that is still at it commits no more."""
    for lease in list(server.memory.get(HELD, ())):
        lease.release()


def alive(vault: OpenVault) -> bool:
    """Is the session that opened this vault still there? A command has none and lives as long as it runs."""
    return not vault.session_id or vault.server.keystore.pepper(vault.owner_id, vault.session_id) is not None
