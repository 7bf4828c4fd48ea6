"""What was told before the power failed.

Of everything there is a set of what it may be: one thing once it was answered, two while it is under way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

TAKEN_BACK = ("ended ", "paused ", "narrowed ", "cookie ", "passphrase", "code", "vault", "link ")


class Lost(AssertionError):
    """Something that was answered is not there, or is half there."""


class Revived(AssertionError):
    """Something that was taken away is there again."""


@dataclass
class Ledger:
    """What somebody was told, line by line."""

    owner: bytes
    number: int
    may: dict[str, set[Any]]
    tokens: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, str] | None = None
    exchanging: bool = False
    new_keys: bool = False
    log: dict[str, int] = field(default_factory=dict)
    now: int = 0
    done: Counter[str] = field(default_factory=Counter)
    doing: str = ""

    def hears(self, said: dict[str, Any]) -> None:
        """One line."""
        self.now = max(self.now, said.get("now", 0))  # one of two processes may be a week ahead
        for key, value in said.get("so", {}).items():
            if "doing" in said:
                self.may.setdefault(key, {None}).add(value)
            else:
                self.may[key] = {value}
        self.doing = said.get("doing", "")
        self._is_replacing()
        if "done" in said:
            self.done[said["done"]] += 1
            if said["done"] == "exchange":
                self.asked, self.exchanging = None, False
        if "tokens" in said:
            self.tokens[said["grant"]] = said["tokens"]
        if "asked" in said:
            self.asked, self.exchanging = (said["asked"], said["location"]), False
        if "code" in said:
            self.may["code"], self.new_keys = {said["code"]}, False
        self.exchanging |= "exchanging" in said
        self.new_keys |= "new keys" in said
        if "seen" in said:
            self.log[said["grant"]] = said["seen"]

    @classmethod
    def begun(cls, owner: str, number: int, passphrase: str, code: str) -> Ledger:
        """Before anybody was told anything."""
        return cls(
            bytes.fromhex(owner),
            number,
            {"passphrase": {passphrase}, "code": {code}, "vault": {"here"}, "archive": {None}},
        )

    def _is_replacing(self) -> None:
        """A consent takes the place of what there is, known to the process that gives it or not."""
        for grant in self.tokens if self.doing == "consent" else ():
            self.may.setdefault(f"ended {grant}", {None}).add(True)

    def is_so(self, key: str, value: Any) -> None:
        """What was found. Raises Lost or Revived unless that may be."""
        if value not in self.may[key]:
            kind = Revived if key.startswith(TAKEN_BACK) else Lost
            raise kind(f"{key.partition(' ')[0]} is {value!r}, not {self.may[key]!r}")

    def has_become(self, key: str, value: Any) -> None:
        """The same, and from now on it is that."""
        self.is_so(key, value)
        self.may[key] = {value}
