"""The rows of imports. A thief sees how many files were brought in, on which day, and their size in mebibytes."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from vault.models import Id, Main


class Import(Main):
    """One file and how far it has come.

    `state` is arriving, waiting, running, done or refused; undoing, undone, and returning until it is done again.

    `started_day` counts days since 1970, `lease_until` seconds. The box says the rest (connectors/uploads.py: Course).
    """

    __tablename__ = "imports"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    import_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    state: Mapped[str]
    lease_until: Mapped[int] = mapped_column(default=0)
    lease_id: Mapped[bytes | None] = mapped_column(Id)
    started_day: Mapped[int]
    box: Mapped[bytes]
    __table_args__ = (ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="imports_owner"),)


class ImportChunk(Main):
    """A mebibyte of an upload, sealed. All of them are gone once the file has been read."""

    __tablename__ = "import_chunks"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    import_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    box: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner_id", "import_id"], ["imports.owner_id", "imports.import_id"], name="import_chunks_import"
        ),
    )


class ImportReport(Main):
    """Up to 200 lines of a file that were refused or left out, with their reasons, sealed."""

    __tablename__ = "import_reports"
    owner_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    import_id: Mapped[bytes] = mapped_column(Id, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    box: Mapped[bytes]
    __table_args__ = (
        ForeignKeyConstraint(
            ["owner_id", "import_id"], ["imports.owner_id", "imports.import_id"], name="import_reports_import"
        ),
    )
