"""The 112 things an attacker would try on the way to a token: each has a test by its number, or a reason for none.

The numbers are those of the OAuth research (N1 to N112), and stand in the names and first lines of tests.
"""

from __future__ import annotations

import re

from tests.house.tree import files

KNOWN = range(1, 113)
NOT_BUILT = {
    61: "no nonces are issued: a proof is good once, and for a minute",
    91: "a contact item, and how often it may be used, is not built",
    105: "nor is a contact item that List-Unsubscribe could take away",
    109: "nobody asks in the background (CIBA)",
    110: "no token is exchanged for another (RFC 8693)",
}


def test_every_number_has_a_test_that_names_it_or_a_reason() -> None:
    written = "\n".join(
        path.read_text("utf-8") for path in files("tests", suffix=".py") if path.name != "test_negatives.py"
    )
    ranges = re.compile(r"N\d+-N\d+")  # what a file is about; each of them needs a test of its own
    named = {int(number) for number in re.findall(r"\b(?:N|test_n)(\d{1,3})(?=\b|_)", ranges.sub("", written))}
    assert set(KNOWN) - named == set(NOT_BUILT)
