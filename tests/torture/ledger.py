"""What was told before the power failed.

Of everything there is a set of what it may be: one thing once it was answered, two while it is under way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

TAKEN_BACK = ("ended ", "paused ", "narrowed ", "blocked ", "denied ", "cookie ", "passphrase", "passkey ", "code")
TAKEN_BACK += ("vault", "link ")


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
    since: dict[str, int] = field(default_factory=dict)  # seconds since 1970 at which something was said of it
    tokens: dict[str, str] = field(default_factory=dict)
    made_up: dict[str, str] = field(default_factory=dict)  # tokens of what a made-up person has given
    dead: set[str] = field(default_factory=set)  # grants and links that were tried in vain since she unlocked
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
            self.since[key] = self.now
            if "doing" in said:
                self.may.setdefault(key, {None}).add(value)
            else:
                self.may[key] = {value}
        self.doing = said.get("doing", "")
        self._takes_along(said.get("done", ""))
        if "done" in said:
            self.done[said["done"]] += 1
            if said["done"] == "exchange":
                self.asked, self.exchanging = None, False
        if "tokens" in said:
            self.tokens[said["grant"]] = said["tokens"]
        if "made up" in said:
            self.made_up[said["grant"]] = said["made up"]
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
        so = {"passphrase": passphrase, "code": code, "vault": "here", "archive": None}
        so |= {"name": "Ada", "language": None, "notice": "ada@home.test"}
        return cls(bytes.fromhex(owner), number, {key: {value} for key, value in so.items()})

    def _takes_along(self, done: str) -> None:
        """A consent takes the place of what there is, known to the process that gives it or not, and what she said no
        to before is no answer any more. Changing her keys leaves no passkey."""
        for grant in self.tokens if self.doing == "consent" else ():
            self.may.setdefault(f"ended {grant}", {None}).add(True)
        goes = {"consent": "denied ", "keys": "passkey "}
        for act, kind in goes.items():
            for key in [each for each in self.may if each.startswith(kind)]:
                if self.doing == act:
                    self.may[key].add(None)
                elif done == act:
                    self.may[key] = {None}

    def lets_go(self, seconds: int) -> None:
        """What was thrown away so long ago may be gone for good."""
        for key, since in self.since.items():
            if "gone" in self.may[key] and self.now - since > seconds:
                self.may[key].add(None)

    def is_so(self, key: str, value: Any) -> None:
        """What was found. Raises Lost or Revived unless that may be."""
        if value not in self.may[key]:
            kind = Revived if key.startswith(TAKEN_BACK) else Lost
            raise kind(f"{key.partition(' ')[0]} is {value!r}, not {self.may[key]!r}")

    def has_become(self, key: str, value: Any) -> None:
        """The same, and from now on it is that."""
        self.is_so(key, value)
        self.may[key] = {value}
