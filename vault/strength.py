"""How strong a passphrase is. No rules about capitals and digits: only how many guesses it would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zxcvbn import zxcvbn

from vault.errors import N_

SHORTEST, ENOUGH = 10, 3
OURS = ("vrm", "vault", "passphrase", "recovery", "keystore")  # what a guesser tries here before all else
SCORED = 72  # longer ones are strong by their length; the estimate's cost grows with the square of it
SENTENCES = (
    N_("Among the first a guesser would try."),
    N_("Easily guessed. A few words that do not belong together are better."),
    N_("Too easily guessed. One more word would help."),
    N_("Good. It would take very many guesses."),
    N_("Strong."),
)
TOO_SHORT = N_("Too short: at least ten characters. Four or five words do well.")


@dataclass(frozen=True, slots=True)
class Strength:
    """A score from 0 to 4, a sentence about it, and whether it will do."""

    score: int
    sentence: str
    good: bool


def strength(passphrase: str, known: Sequence[str] = ()) -> Strength:
    """Judge a passphrase; `known` are words a guesser would know of her, such as her name: they count for nothing."""
    if not passphrase:
        return Strength(0, TOO_SHORT, good=False)
    words = [word.lower() for word in (*known, *OURS) if len(word) > 2]
    score = min(_score(passphrase, words), _score(_without(passphrase, words), words))
    if len(passphrase) < SHORTEST:
        return Strength(min(score, ENOUGH - 1), TOO_SHORT, good=False)
    return Strength(score, SENTENCES[score], good=score >= ENOUGH)


def _score(typed: str, words: list[str]) -> int:
    return int(zxcvbn(typed[:SCORED], user_inputs=words)["score"]) if typed else 0


def _without(typed: str, words: list[str]) -> str:
    """What is left of it: the estimate takes a known word between signs for something rare."""
    rest = typed.lower()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return typed if rest == typed.lower() else rest.strip()
