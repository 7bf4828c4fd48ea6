"""The rows of consent. A thief sees how many grants and looks there are and on which days; not whose, of what, or why.

Every key of an owner's table begins with `owner_id`; `clients`, `requests` and `seen` belong to the server.
"""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from vault.models import Id, Log, Main

Tag = LargeBinary(32)


class ClientRow(Main):
    """A client's metadata as last fetched, sealed with the server key, under a tag of its client_id."""

    __tablename__ = "clients"
    tag: Mapped[bytes] = mapped_column(Tag, primary_key=True)
    fresh_until: Mapped[int]
    box: Mapped[bytes]


class PushedRequest(Main):
    """A pushed authorization request (RFC 9126), sealed under the secret in its request_uri. Gone at the decision."""

    __tablename__ = "requests"
    tag: Mapped[bytes] = mapped_column(Tag, primary_key=True)
    expires_at: Mapped[int]
    opened: Mapped[bool] = mapped_column(default=False)
    box: Mapped[bytes]


class Seen(Main):
    """Something that may be used once: the jti of an assertion or proof, within the scope of its client."""

    __tablename__ = "seen"
    scope: Mapped[bytes] = mapped_column(Tag, primary_key=True)
    tag: Mapped[bytes] = mapped_column(Tag, primary_key=True)
    expires_at: Mapped[int]


class Grant(Main):
    """A standing permission. `label` opens with the server key, `terms` with the grant key, the rest with her root key.

    `copy_box` holds the grant key; `memory_box` what stays after the end: the log key and what was agreed.
    """

    __tablename__ = "grants"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    vendor_tag: Mapped[bytes] = mapped_column(Tag)
    state: Mapped[str]  # live or ended
    cause: Mapped[str | None]
    version: Mapped[int]
    change: Mapped[int] = mapped_column(default=0)
    changed_day: Mapped[int] = mapped_column(default=0)
    ended_day: Mapped[int | None]
    label_box: Mapped[bytes]
    terms_box: Mapped[bytes | None]
    copy_box: Mapped[bytes | None]
    memory_box: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="grants_owner"),
        Index("grants_vendor", "owner_id", "vendor_tag"),
    )


class GrantLock(Main):
    """A code, access token, refresh token or revocation link: what opens, or may end, one grant."""

    __tablename__ = "grant_locks"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    lock_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id)
    kind: Mapped[str]
    expires_at: Mapped[int]
    used_at: Mapped[int | None]
    box: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="grant_locks_grant"
        ),
        Index("grant_locks_grant_index", "owner_id", "grant_id", "kind", "expires_at"),
    )


class Denial(Main):
    """A request she said no to, by its tag; `offer_box` is what she would allow instead."""

    __tablename__ = "denials"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    request_tag: Mapped[bytes] = mapped_column(Tag, primary_key=True)
    vendor_tag: Mapped[bytes] = mapped_column(Tag)
    day: Mapped[int]
    never: Mapped[bool]
    offer_box: Mapped[bytes | None]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="denials_owner"),
        Index("denials_vendor", "owner_id", "vendor_tag"),
    )


class Erasure(Main):
    """That she asked a vendor to delete what it had read, and when it was done. Days since 1970."""

    __tablename__ = "erasures"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    asked_day: Mapped[int]
    done_day: Mapped[int | None]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="erasures_grant"),
    )


class Deposit(Main):
    """Something a vendor left for her, sealed to her inbox until she decides; then without its box."""

    __tablename__ = "deposits"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    deposit_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id)
    key_tag: Mapped[bytes] = mapped_column(Tag)
    content_tag: Mapped[bytes] = mapped_column(Tag)
    day: Mapped[int]
    state: Mapped[str]  # waiting, accepted or rejected
    box: Mapped[bytes | None]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="deposits_grant"),
        UniqueConstraint("owner_id", "grant_id", "key_tag", name="deposits_key"),
        Index("deposits_state", "owner_id", "state"),
    )


class Disclosure(Main):
    """What a vendor can see of one record: the JSON it receives, sealed under the grant key. No box: a tombstone."""

    __tablename__ = "disclosures"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    change: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item: Mapped[int]
    ref: Mapped[bytes] = mapped_column(Id)
    box: Mapped[bytes | None]
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="disclosures_grant"
        ),
        UniqueConstraint("owner_id", "grant_id", "ref", name="disclosures_ref"),
        {"sqlite_with_rowid": False},
    )


class Receipt(Main):
    """Evidence of what was agreed, changed or ended: a signed receipt, sealed.

    `kind` says who can open `box`: what stems from her consent she alone, an end the server. `revision` is
    that of the change it is evidence of. `copy_box` is the vendor's
    copy under the grant key, gone with the grant; `screen_box` her copy of the consent screen.
    """

    __tablename__ = "receipts"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    receipt_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id)
    kind: Mapped[str]  # consent or end
    revision: Mapped[int]
    day: Mapped[int]
    box: Mapped[bytes]
    copy_box: Mapped[bytes | None]
    screen_box: Mapped[bytes | None]
    __table_args__ = (
        ForeignKeyConstraint(["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="receipts_grant"),
        Index("receipts_grant_index", "owner_id", "grant_id"),
    )


class Access(Log):
    """One look, numbered per grant without gaps, under the grant's log key. `proof_tag` makes a proof single-use."""

    __tablename__ = "accesses"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    proof_tag: Mapped[bytes | None] = mapped_column(Id)
    day: Mapped[int]
    box: Mapped[bytes]
    __table_args__ = (
        UniqueConstraint("owner_id", "proof_tag", name="accesses_proof"),
        {"sqlite_with_rowid": False},
    )


class Counter(Log):
    """How many entries a grant has, and how many calls that proved themselves in the `minute` of the last one; and of a
    limited grant how many looks: in all, on `day`, and when the last began."""

    __tablename__ = "counters"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int]
    looks: Mapped[int] = mapped_column(server_default="0")
    looks_of_day: Mapped[int] = mapped_column(server_default="0")
    day: Mapped[int] = mapped_column(server_default="0")
    began_at: Mapped[int] = mapped_column(server_default="0")
    minute: Mapped[int] = mapped_column(server_default="0")
    calls: Mapped[int] = mapped_column(server_default="0")
    __table_args__ = ({"sqlite_with_rowid": False},)


class Segment(Log):
    """What the log held at one of her unlocks, in one piece that only she can open; it names the one before."""

    __tablename__ = "segments"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    box: Mapped[bytes]


class Refusal(Log):
    """Calls that named a lock of this grant and did not open it, counted per day."""

    __tablename__ = "refusals"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    grant_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    __table_args__ = ({"sqlite_with_rowid": False},)
