"""Her turn: the one way to change an owner's records, terms or disclosures. And what to do with an old copy.

A turn reads her floor from the keystore, begins with an UPDATE of her row that refuses to run below it, works, commits,
and raises the floors before anybody is answered. The order was model-checked; changing it needs a new argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from vault.db import needing_little
from vault.errors import NotFound
from vault.keyring import Keyring, check_newest
from vault.models import Owner, RecordRow
from vault.search import NUMBER

if TYPE_CHECKING:
    from vault.server import Server
    from vault.stored import Stored

MOST_NUMBERS = NUMBER  # of one owner's records: what is above has no place in the index
# Above 2**62, or with the numbers of her records above 2**36, nobody ever comes: what stands there was written by hand,
# and one more might be no number any more.
_BEGIN = text(
    "UPDATE owners SET revision = revision + :revisions, "
    "last_record = CASE WHEN last_record <= :most THEN last_record + :numbers ELSE :numbers END "
    "WHERE owner_id = :owner AND revision >= :floor AND revision < 4611686018427387904 "
    "RETURNING revision, last_record, lost"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One record before and after; None where it did not exist or was removed."""

    number: int
    before: Stored | None
    after: Stored | None


class Position(NamedTuple):
    """Where an owner stands: her revision, her last record number, and how many changes old copies have lost.

    Equal positions are the same state. The revision alone is not enough: an old copy is lifted to it again.
    """

    revision: int
    last_record: int
    lost: int


@dataclass
class Turn:
    """A turn under way: the session to work in, where she stood before it, and what it has changed so far."""

    server: Server
    owner_id: bytes
    session: Session
    before: Position
    revision: int
    next_number: int
    changes: list[Change] = field(default_factory=list)
    versions: dict[bytes, int] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)

    def number(self) -> int:
        """The next record number; `numbers` of them were reserved when the turn began."""
        self.next_number += 1
        return self.next_number


@contextmanager
def her_turn(
    server: Server, owner: bytes, *, numbers: int = 0, revisions: int = 1, keyring: Keyring | None = None
) -> Iterator[Turn]:
    """Begin her turn with `numbers` new record numbers. Committed when the block ends; then the floors are raised.

    Who seals something for her says with which `keyring`. Raises Locked when her keys were changed since it was opened.
    It takes more than one of her revisions where it writes a history: the last is its own, those before it are free.
    """
    with ExitStack() as stack:
        turn = _begin(server, owner, numbers, revisions, stack)
        if keyring is not None:
            check_newest(turn.session, keyring)
        yield turn
    for grant, version in turn.versions.items():
        needing_little(server.keystore.database, partial(server.keystore.raise_version, owner, grant, version))
    needing_little(server.keystore.database, partial(server.keystore.raise_floor, owner, turn.revision))


def _begin(server: Server, owner: bytes, numbers: int, revisions: int, stack: ExitStack) -> Turn:
    for _attempt in range(5):
        floor = server.keystore.floor(owner)
        session = stack.enter_context(server.main.transaction())
        values = {"owner": owner, "numbers": numbers, "revisions": revisions, "floor": floor}
        values["most"] = MOST_NUMBERS - numbers
        row = session.execute(_BEGIN, values).first()
        if row is not None:
            before = Position(row[0] - revisions, last_number(session, owner, row[1] - numbers), row[2])
            if before.last_record != row[1] - numbers:
                hers = update(Owner).where(Owner.owner_id == owner)
                session.execute(hers.values(last_record=before.last_record + numbers))
            return Turn(server, owner, session, before, row[0], before.last_record)
        stack.close()
        if not recover_old_copy(server, owner):
            break
    raise NotFound


def position(session: Session, owner: bytes) -> Position:
    """Where she stands in the snapshot of this session. Raises NotFound."""
    row = session.execute(select(Owner.revision, Owner.last_record, Owner.lost).where(Owner.owner_id == owner)).first()
    if row is None:
        raise NotFound
    return Position(row.revision, last_number(session, owner, row.last_record), row.lost)


def last_number(session: Session, owner: bytes, said: int) -> int:
    """The highest record number that was given: what her row has `said`, unless somebody wrote that by hand."""
    hers = (RecordRow.owner_id == owner, RecordRow.number <= MOST_NUMBERS)
    highest = session.scalar(select(func.max(RecordRow.number)).where(*hers)) or 0
    return said if highest <= said <= MOST_NUMBERS else highest


def revision_of(server: Server, owner: bytes) -> int | None:
    """Her revision in a fresh snapshot; None if she is not in this database."""
    with server.main.reading() as session:
        return session.scalar(select(Owner.revision).where(Owner.owner_id == owner))


def settle(server: Server, owner: bytes) -> None:
    """Before she is answered: she is never shown what the floor does not cover."""
    revision, floor = revision_of(server, owner), server.keystore.floor(owner)
    if revision is None or revision == floor:
        return
    if revision > floor:
        needing_little(server.keystore.database, partial(server.keystore.raise_floor, owner, revision))
    else:
        recover_old_copy(server, owner)


def recover_old_copy(server: Server, owner: bytes) -> bool:
    """Her revision was found below the floor: believe it only after reading both again, then hold and lift.

    First her grants whose version floor has not moved are held, then her catalogue is forgotten, then her revision is
    lifted: a crash between any two leaves an old copy that is found again, and no catalogue of what was lost. Returns
    whether she is in this database at all. Safe to run in any number of processes at once.
    """
    floor = server.keystore.floor(owner)
    versions = {grant: standing.version for grant, standing in server.keystore.alive(owner, "grant").items()}
    revision = revision_of(server, owner)
    if revision is None:
        return False
    if revision >= floor:
        return True
    server.keystore.hold_old_copy(owner, versions)
    server.catalogues.rebuild(server, owner)
    with server.main.transaction() as session:
        session.execute(
            update(Owner)
            .where(Owner.owner_id == owner, Owner.revision < floor)
            .values(revision=floor, lost=Owner.lost + (floor - Owner.revision))
        )
    return True
