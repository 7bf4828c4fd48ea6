"""Words as they are searched for: folded, so that accents and case do not matter, and found again in what is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import combining, normalize

LONGEST_QUERY, MOST_TERMS = 200, 8
BEFORE, AFTER = 40, 120

# What Unicode does not take apart into a letter and a mark.
ALONE = str.maketrans(
    {"ł": "l", "đ": "d", "ø": "o", "ħ": "h", "ŧ": "t", "ı": "i", "ĸ": "k", "ŋ": "n"}
    | {"æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ə": "e", "ɓ": "b", "ɗ": "d", "ƙ": "k"}
)
WORD = re.compile(r"[^\W_]+")
QUOTED = re.compile(r'"([^"]*)"?|(\S+)')

Marked = list[tuple[str, bool]]


def fold(text: str) -> str:
    """Lower case without accents: Łódź is lodz, STRASSE and Straße are strasse."""
    if text.isascii():
        return text.lower()
    apart = normalize("NFKD", normalize("NFKD", text).casefold())
    return "".join(letter for letter in apart if not combining(letter)).translate(ALONE)


def terms(query: str) -> list[str]:
    """What a query asks for, folded: words, and what stands in quotation marks as one. Anything at all may be asked.

    Only letters and digits are left, with single spaces between: no sign can mean something to whoever searches.
    """
    pieces = [plain(quoted or bare) for quoted, bare in QUOTED.findall(query[:LONGEST_QUERY])]
    return list(dict.fromkeys(piece for piece in pieces if piece))[:MOST_TERMS]


def plain(text: str) -> str:
    """Its words, folded, with single spaces between."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in fold(text)).split())


def begins(term: str) -> bool:
    """May a word merely begin with it? One letter of ours begins too many."""
    return len(term) > 1 or not term.isascii()


def marked(text: str, wanted: Sequence[str]) -> Marked:
    """The text in pieces, each with whether it is a word that was asked for."""
    tokens = [(token, begins(token)) for term in wanted for token in term.split()]
    pieces: Marked = []
    done = 0
    for match in WORD.finditer(text):
        word = fold(match[0])
        if any(word.startswith(token) if enough else word == token for token, enough in tokens):
            pieces += [(text[done : match.start()], False), (match[0], True)]
            done = match.end()
    return [piece for piece in (*pieces, (text[done:], False)) if piece[0]]


def extract(text: str, wanted: Sequence[str]) -> Marked:
    """The part of a text round the first word that was asked for, or nothing if there is none."""
    plain = " ".join(text.split())
    start = 0
    for piece, hit in marked(plain, wanted):
        if hit:
            break
        start += len(piece)
    else:
        return []
    begin = plain.rfind(" ", 0, start - BEFORE) + 1 if start > BEFORE else 0
    end = plain.find(" ", start + AFTER, start + 2 * AFTER)
    end = end if end > 0 else start + 2 * AFTER
    more = end < len(plain)
    return [("… ", False)] * (begin > 0) + marked(plain[begin:end], wanted) + [(" …", False)] * more
