"""Which passphrases will do: none that is tried first, any that is long, and never a rule about capitals and digits."""

from __future__ import annotations

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from tests.sampled import thinned
from vault import crypto, locks
from vault.strength import SHORTEST, strength

# Leaked ones by how often they were found, the commonest first.
LEAKED = FREQUENCY_LISTS["passwords"]


def test_none_that_was_leaked_often_will_do() -> None:
    assert len(LEAKED) == 30_000
    long_enough = thinned([each for each in LEAKED if len(each) >= SHORTEST], first=20, then_every=20)
    assert len(long_enough) > 50
    assert not [each for each in long_enough if strength(each).good or strength(each.capitalize() + "1").good]
    assert not strength(LEAKED[0]).good, "and whatever is shorter is too short"


@pytest.mark.parametrize(
    "typed",
    [
        "vaultvault12",
        "vrm-vault-2026",
        "passphrase1234",
        "ada marsh ada",
        "adahome.test1",
        "myvault2026",
        "vault2026!!",
    ],
)
def test_what_a_guesser_knows_of_her_or_of_this_program_counts_for_nothing(typed: str) -> None:
    assert not strength(typed, ["ada", "marsh", "home.test"]).good


@pytest.mark.parametrize(
    "typed",
    [
        "river lamp kettle stone",
        "RIVER LAMP KETTLE STONE",
        "83412 99071 55528 10364",
        "лампа чайник карта",
        "🌊🪔🫖🪨🌵🪁🧭🪶🪻🦉",
        "  \t a \t  b !!  zq7 ",
    ],
)
def test_any_letters_will_do(typed: str) -> None:
    assert strength(typed).good


def test_every_letter_of_it_counts_and_its_capitals_too() -> None:
    params, long = locks.passphrase_params(crypto.FLOOR), "river lamp kettle stone " * 4
    secrets = {locks.passphrase_secret(each, params) for each in (long, long + "x", long.capitalize())}
    assert len(secrets) == 3
