"""The keystore: a second tiny database in another directory, never in the same backup.

It decides what lives; the main database is only the content. Each call commits at once, may be repeated without harm,
and is made outside every transaction of the main database. Floors and `held` are changed by UPDATE, never by upsert, so
nothing that has died comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, Select, bindparam, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from vault import crypto
from vault.db import Database, Statement
from vault.errors import Unsafe
from vault.instances import instance_of
from vault.models import Floor, KeystoreInstance, Pepper, ServerKey

_T = TypeVar("_T")
Held = Literal["paused", "old copy"]
Kind = Literal["lock", "session", "grant"]
Signs = Literal["notice", "receipt"]
OPENING = ("seal", "tag", "route")  # made once, with the keystore: without them nothing sealed would open again
MOST_STOPS = 1 << 40  # nobody stops everything so often
SIGNING: tuple[Signs, ...] = ("notice", "receipt")  # seal nothing, so they may be made later, and turned over


class Standing(NamedTuple):
    """What the keystore says of a grant: its pepper, version floor and hold, and its owner's revision floor."""

    pepper: bytes
    version: int
    held: Held | None
    revision: int

    def __repr__(self) -> str:
        return f"Standing(version={self.version}, held={self.held!r}, revision={self.revision})"


_STANDING = Statement(
    "SELECT p.secret, p.version, p.held, f.revision FROM peppers p JOIN floors f ON f.owner_id = p.owner_id "
    "WHERE p.owner_id = :owner AND p.subject_id = :subject AND p.epoch >= f.epoch"
)
_EPOCH = func.coalesce(select(Floor.epoch).where(Floor.owner_id == bindparam("owner")).scalar_subquery(), 0)
_LIVES = or_(Pepper.kind != "grant", Pepper.epoch >= _EPOCH)


@dataclass(frozen=True)
class ServerKeys:
    """The server's own keys: `seal` for what it reads while she is away, `tag` for look-ups, `route` for strings."""

    seal: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    route: bytes = field(repr=False)


class Keystore:
    """Calls on the keystore. Ids are 16 bytes; `subject` is a lock's or a grant's id."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def make(self, owner: bytes, subject: bytes, kind: Kind, *, version: int = 0) -> bytes:
        """A new pepper. Made before the rows that need it; an orphan is harmless."""
        secret = crypto.random_bytes()
        row = {"owner_id": owner, "subject_id": subject, "kind": kind, "secret": secret, "version": version}
        values = [literal(value, Pepper.__table__.c[name].type).label(name) for name, value in row.items()]
        epoch = func.coalesce(func.max(Floor.epoch), 0)  # of no row that is 0
        source = select(*values, epoch).where(Floor.owner_id == owner)  # Citus has no subquery among values
        with self.database.writing() as connection:
            connection.execute(insert(Pepper).from_select([*row, "epoch"], source))
        return secret

    def pepper(self, owner: bytes, subject: bytes) -> bytes | None:
        """The pepper, or None when it has died."""
        mine = (Pepper.owner_id == owner, Pepper.subject_id == subject, _LIVES)
        with self.database.selecting() as connection:
            return connection.execute(select(Pepper.secret).where(*mine), {"owner": owner}).scalar()

    def take(self, owner: bytes, *subjects: bytes) -> None:
        """Take peppers away, for good: from here nothing opens those locks or grants."""
        chosen = (Pepper.owner_id == owner, Pepper.subject_id.in_(subjects))
        with self.database.writing() as connection:
            connection.execute(delete(Pepper).where(*chosen))
        self.database.checkpoint()

    def stop_grants(self, owner: bytes) -> None:
        """Every grant of hers that there is dies in this one step, however many there are.

        What is left of their peppers is `stopped`, and is taken away afterwards.
        """
        hers = (Pepper.owner_id == owner, Pepper.kind == "grant")
        with self.database.writing() as connection:
            connection.execute(update(Pepper).where(*hers, Pepper.epoch > MOST_STOPS).values(epoch=0))
            highest = connection.scalar(select(func.max(Pepper.epoch)).where(*hers)) or 0
            # Above her own, if somebody has turned that back; below it, if somebody has written what never was.
            above = case((Floor.epoch.between(highest, MOST_STOPS), Floor.epoch), else_=highest) + 1
            connection.execute(update(Floor).where(Floor.owner_id == owner).values(epoch=above))
        self.database.checkpoint()

    def stopped(self, owner: bytes, most: int) -> list[bytes]:
        """Grants that died so and still have a pepper to be taken away, the first few of them by id."""
        chosen = (Pepper.owner_id == owner, Pepper.kind == "grant", Pepper.epoch < _EPOCH)
        statement = select(Pepper.subject_id).where(*chosen).order_by(Pepper.subject_id).limit(most)
        with self.database.selecting() as connection:
            return list(connection.scalars(statement, {"owner": owner}))

    def alive(self, owner: bytes, kind: str) -> dict[bytes, Standing]:
        """Every subject of one kind that still has its pepper."""
        with self.database.selecting() as connection:
            rows = connection.execute(
                select(Pepper.subject_id, Pepper.secret, Pepper.version, Pepper.held, Floor.revision)
                .join(Floor, Floor.owner_id == Pepper.owner_id)
                .where(Pepper.owner_id == owner, Pepper.kind == kind, _LIVES),
                {"owner": owner},
            )
            return {row[0]: Standing(row[1], row[2], cast("Held | None", row[3]), row[4]) for row in rows}

    def standing(self, owner: bytes, grant: bytes) -> Standing | None:
        """Pepper, floors and hold of a grant in one statement; None when it has died."""
        with self.database.line() as line:
            row = _STANDING.on(line, owner=owner, subject=grant).fetchone()
        return Standing(*row) if row else None

    def raise_version(self, owner: bytes, grant: bytes, version: int) -> None:
        """Nothing of this grant below `version` opens any more."""
        with self.database.writing() as connection:
            connection.execute(
                update(Pepper)
                .where(Pepper.owner_id == owner, Pepper.subject_id == grant, Pepper.version < version)
                .values(version=version)
            )

    def pause(self, owner: bytes, grant: bytes) -> bool:
        """Hold a grant; whether it was free before. An 'old copy' hold is stronger and stays."""
        return self._hold(owner, grant, seen=None, held="paused")

    def resume(self, owner: bytes, grant: bytes, *, seen: Held) -> bool:
        """Let a grant go on, if it is still held the way her page showed."""
        return self._hold(owner, grant, seen=seen, held=None)

    def _hold(self, owner: bytes, grant: bytes, *, seen: Held | None, held: Held | None) -> bool:
        mine = (Pepper.owner_id == owner, Pepper.subject_id == grant, Pepper.held.is_not_distinct_from(seen))
        with self.database.writing() as connection:
            return connection.execute(update(Pepper).where(*mine).values(held=held)).rowcount == 1

    def hold_old_copy(self, owner: bytes, versions: dict[bytes, int]) -> None:
        """Hold those of her grants whose version floor has not moved since it was read: an old copy was found."""
        if not versions:
            return
        statement = (
            update(Pepper)
            .where(Pepper.owner_id == owner, Pepper.kind == "grant")
            .where(Pepper.subject_id == bindparam("grant"), Pepper.version == bindparam("seen"))
            .values(held="old copy")
        )
        with self.database.writing() as connection:
            connection.execute(statement, [{"grant": grant, "seen": seen} for grant, seen in versions.items()])

    def welcome(self, owner: bytes, revision: int = 0) -> None:
        """Begin an owner's floor."""
        with self.database.writing() as connection:
            connection.execute(insert(Floor).values(owner_id=owner, revision=revision))

    def owners(self) -> set[bytes]:
        """Everybody who has a floor here."""
        with self.database.selecting() as connection:
            return set(connection.scalars(select(Floor.owner_id)))

    def floor(self, owner: bytes) -> int:
        """Her revision floor; 0 for nobody."""
        with self.database.selecting() as connection:
            return connection.execute(select(Floor.revision).where(Floor.owner_id == owner)).scalar() or 0

    def raise_floor(self, owner: bytes, revision: int) -> None:
        """No content of hers below `revision` counts any more."""
        with self.database.writing() as connection:
            connection.execute(
                update(Floor).where(Floor.owner_id == owner, Floor.revision < revision).values(revision=revision)
            )

    def leave(self, owner: bytes, day: int) -> None:
        """Her vault is to be deleted from that day (since 1970) on. Asking again does not put it off."""
        with self.database.writing() as connection:
            connection.execute(
                update(Floor).where(Floor.owner_id == owner, Floor.leaves_day.is_(None)).values(leaves_day=day)
            )

    def stay(self, owner: bytes, *, today: int) -> bool:
        """She takes it back; False once the day has come."""
        mine = (Floor.owner_id == owner, Floor.leaves_day > today)
        with self.database.writing() as connection:
            return connection.execute(update(Floor).where(*mine).values(leaves_day=None)).rowcount == 1

    def begin_leaving(self, owner: bytes, *, today: int) -> bool:
        """The day has come: from here it cannot be taken back. False before it, and for who stays."""
        mine = (Floor.owner_id == owner, Floor.leaves_day <= today)
        with self.database.writing() as connection:
            return connection.execute(update(Floor).where(*mine).values(leaves_day=0)).rowcount == 1

    def leaves_on(self, owner: bytes) -> int | None:
        """The day from which her vault is deleted, 0 once that has begun; None while she stays."""
        with self.database.selecting() as connection:
            return connection.execute(select(Floor.leaves_day).where(Floor.owner_id == owner)).scalar()

    def leavers(self) -> list[tuple[bytes, int]]:
        """Everybody who leaves or has left, with her day."""
        leaving = select(Floor.owner_id, Floor.leaves_day).where(Floor.leaves_day.is_not(None)).order_by(Floor.owner_id)
        with self.database.selecting() as connection:
            return [(owner, day) for owner, day in connection.execute(leaving) if day is not None]

    def take_all(self, owner: bytes) -> None:
        """Take every pepper of an owner away. Her floor stays, so that an old copy of her is known for one."""
        with self.database.writing() as connection:
            connection.execute(delete(Pepper).where(Pepper.owner_id == owner))
        self.database.checkpoint()

    def log_head(self, owner: bytes) -> tuple[int, bytes]:
        """How far her access log has come: the number of its last segment and the digest that stands for it."""
        chosen = select(Floor.log_number, Floor.log_head).where(Floor.owner_id == owner)
        with self.database.selecting() as connection:
            row = connection.execute(chosen).first()
        return (row[0], row[1]) if row and row[1] else (0, bytes(32))

    def raise_log_head(self, owner: bytes, seen: int, number: int, digest: bytes) -> bool:
        """Her log has come further than `seen`; False when somebody has said so already."""
        mine = (Floor.owner_id == owner, Floor.log_number == seen)
        values = {"log_number": number, "log_head": digest}
        with self.database.writing() as connection:
            return connection.execute(update(Floor).where(*mine).values(**values)).rowcount == 1

    def instance(self) -> bytes | None:
        """Which main database it belongs to; None before its first start."""
        return instance_of(self.database)

    def set_up(self, instance: bytes | None = None) -> bytes:
        """Make the instance id and its first keys where there is no id yet; returns the id."""
        with self.database.writing() as connection:
            known = connection.execute(select(KeystoreInstance.id)).scalar()
            if known is not None:
                return known
            made = instance or crypto.random_bytes(16)
            connection.execute(insert(KeystoreInstance).values(id=made))
            for purpose in OPENING:
                _add_key(connection, purpose)
            return made

    def complete(self) -> None:
        """Make the keys that sign where they are missing, as in a keystore from an earlier release.

        Raises Unsafe where one that opens is missing, or any is cut: whatever went on would stumble at every step.
        """
        with self.database.writing() as connection:
            rows = connection.execute(select(ServerKey.purpose, ServerKey.secret)).all()
            present = {purpose for purpose, _secret in rows}
            if not present.issuperset(OPENING) or any(len(secret) != crypto.KEY_LENGTH for _purpose, secret in rows):
                raise Unsafe("A key of the server is missing from the keystore, or is damaged. Nothing was changed.")
            for purpose in SIGNING:
                if purpose not in present:
                    _add_key(connection, purpose)

    @cached_property
    def keys(self) -> ServerKeys:
        """The server's keys, read once per process."""
        chosen = select(ServerKey.purpose, ServerKey.secret).where(ServerKey.purpose.in_(OPENING))
        with self.database.selecting() as connection:
            return ServerKeys(**{purpose: secret for purpose, secret in connection.execute(chosen)})

    def signing(self, purpose: Signs) -> tuple[bytes, ...]:
        """The Ed25519 seeds that sign for one purpose, the newest first: one, or two once it was renewed."""
        with self.database.selecting() as connection:
            return tuple(connection.scalars(_newest_first(ServerKey.secret, purpose)))

    def renew(self, purpose: Signs) -> None:
        """A new key that signs; the one before goes on beside it, any older one is gone."""
        with self.database.writing() as connection:
            _add_key(connection, purpose)
            older = connection.scalars(_newest_first(ServerKey.key_id, purpose)).all()[2:]
            connection.execute(delete(ServerKey).where(ServerKey.key_id.in_(older)))
        self.database.checkpoint()


def _newest_first(column: InstrumentedAttribute[_T], purpose: Signs) -> Select[_T]:
    return select(column).where(ServerKey.purpose == purpose).order_by(ServerKey.key_id.desc())


def _add_key(connection: Connection, purpose: str) -> None:
    number = (connection.scalar(select(func.max(ServerKey.key_id))) or 0) + 1
    connection.execute(insert(ServerKey).values(key_id=number, purpose=purpose, secret=crypto.random_bytes()))
