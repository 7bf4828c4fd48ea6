"""The rows of the vault. Everything that could tell a thief something is inside a box.

Every key of an owner's table begins with `owner_id`; `instance`, `handles` and `attempts` belong to the server.
Ids are 16 random bytes, records are numbered per owner. docs/format.md says what each box holds and what opens it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = LargeBinary(16)
TYPES: dict[Any, Any] = {int: BigInteger}
IN_TRASH = text("removed_day IS NOT NULL")


class Main(DeclarativeBase):
    """Tables of the main database: the content."""

    type_annotation_map: ClassVar[dict[Any, Any]] = TYPES


class Log(DeclarativeBase):
    """Tables of the access log's own database."""

    type_annotation_map: ClassVar[dict[Any, Any]] = TYPES


class Keys(DeclarativeBase):
    """Tables of the keystore: the authority over life and death."""

    type_annotation_map: ClassVar[dict[Any, Any]] = TYPES


class Instance(Main):
    """One row: which keystore this database belongs to, and whether the first vault has been set up."""

    __tablename__ = "instance"
    id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    format: Mapped[int]
    claimed: Mapped[bool] = mapped_column(default=False)


class Handle(Main):
    """A vault's short name as a keyed tag, to find its owner at unlock."""

    __tablename__ = "handles"
    tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    owner_id: Mapped[bytes] = mapped_column(Id)


class Attempt(Main):
    """How often an address or handle has tried to unlock. `until` is seconds since 1970."""

    __tablename__ = "attempts"
    tag: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    count: Mapped[int]
    until: Mapped[int]


class Owner(Main):
    """A person with a vault. `revision` numbers her changes; `lost` counts changes an old copy has lost."""

    __tablename__ = "owners"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    revision: Mapped[int] = mapped_column(default=0)
    last_record: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    notice_box: Mapped[bytes | None]
    settings_box: Mapped[bytes]
    inbox_box: Mapped[bytes | None]


class Lock(Main):
    """A wrapped copy of the root key, which one credential opens. `expires_at`, `used_at`: seconds since 1970."""

    __tablename__ = "locks"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    lock_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    kind: Mapped[str]
    params: Mapped[bytes]
    expires_at: Mapped[int | None]
    used_at: Mapped[int | None]
    box: Mapped[bytes]
    __table_args__ = (ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="locks_owner"),)


class Key(Main):
    """One of her keys, sealed under the root key."""

    __tablename__ = "keys"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    key_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    purpose: Mapped[str]
    box: Mapped[bytes]
    __table_args__ = (ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="keys_owner"),)


class RecordRow(Main):
    """One record as it stands. `box` is NULL once it has been removed; `mark` stays, so it is not imported again.

    `removed_day` counts days since 1970, and is there as long as what was removed lies in the trash. `returns`: it was
    put away with a whole import, so an import may bring it back; it is never true of a record that stands.
    """

    __tablename__ = "records"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
    mark: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    import_id: Mapped[bytes | None] = mapped_column(Id)
    box: Mapped[bytes | None]
    removed_day: Mapped[int | None]
    returns: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (
        ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="records_owner"),
        UniqueConstraint("owner_id", "mark", name="records_mark"),
        Index("records_revision", "owner_id", "revision"),
        Index("records_removed", "owner_id", "removed_day", sqlite_where=IN_TRASH, postgresql_where=IN_TRASH),
        {"sqlite_with_rowid": False},
    )


class Version(Main):
    """An earlier box of a record, under the revision at which it was written."""

    __tablename__ = "versions"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    box: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id", "number"], ["records.owner_id", "records.number"], name="versions_record"),
        {"sqlite_with_rowid": False},
    )


class AttachmentRow(Main):
    """A file of a record: `box` holds what is known of it, `content` the file. `removed`: taken away, for some days."""

    __tablename__ = "attachments"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    attachment_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int]
    revision: Mapped[int]
    removed: Mapped[bool]
    box: Mapped[bytes]
    content: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id", "number"], ["records.owner_id", "records.number"], name="attachments_record"),
        Index("attachments_number", "owner_id", "number"),
    )


class Job(Main):
    """Something to be done later, written in the same transaction as what announces it. Times: seconds since 1970."""

    __tablename__ = "jobs"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    job_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    kind: Mapped[str]
    due_at: Mapped[int]
    lease_until: Mapped[int] = mapped_column(default=0)
    lease_id: Mapped[bytes | None] = mapped_column(Id)
    attempts: Mapped[int] = mapped_column(default=0)
    box: Mapped[bytes]
    __table_args__ = (Index("jobs_due", "due_at"),)


class Certificate(Main):
    """That a vault was deleted here: all that is left of it, signed, so that whoever has its number can show it."""

    __tablename__ = "certificates"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    box: Mapped[bytes]


class Pepper(Keys):
    """The keystore's half of a lock or grant. Without this row nothing opens it again, whatever copy comes back.

    `epoch` is her floor's when it was made; a grant's pepper below that floor is as good as gone.
    """

    __tablename__ = "peppers"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    subject_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    kind: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary(32))
    version: Mapped[int] = mapped_column(default=0)
    held: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(server_default="0")
    __table_args__ = ({"sqlite_with_rowid": False},)


class Floor(Keys):
    """The lowest revision of an owner's content that is not an old copy, and how far her access log has come.

    And the epoch of her grants: raising it ends every grant that there is, however many, in one step. `leaves_day` is
    the day (since 1970) from which her vault is deleted; 0 once that has begun; None while she stays.
    """

    __tablename__ = "floors"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    revision: Mapped[int]
    epoch: Mapped[int] = mapped_column(server_default="0")
    log_number: Mapped[int] = mapped_column(server_default="0")
    log_head: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    leaves_day: Mapped[int | None]
    __table_args__ = ({"sqlite_with_rowid": False},)


class ServerKey(Keys):
    """A key of the server: seal, tag, route, or one that signs: receipts, notices (of these the newest two)."""

    __tablename__ = "server_keys"
    key_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    purpose: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (UniqueConstraint("purpose", "key_id", name="server_keys_purpose"),)


class KeystoreInstance(Keys):
    """One row: the id that the main database must carry too."""

    __tablename__ = "instance"
    id: Mapped[bytes] = mapped_column(Id, primary_key=True)


class LogInstance(Log):
    """One row: the id of the keystore this log belongs to."""

    __tablename__ = "instance"
    id: Mapped[bytes] = mapped_column(Id, primary_key=True)
