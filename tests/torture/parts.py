"""What can be played in processes that were started with the half in C of the disk. Run as a program by the stage."""

from __future__ import annotations

from tests.consent.racing import ROLES, waits
from tests.torture.dropping import dropping
from tests.torture.failing import failing
from tests.torture.life import beside, killed, traced
from vault.logs import configure

ROLES |= {"killed": killed, "beside": beside, "traced": traced, "failing": failing, "dropping": dropping}

if __name__ == "__main__":
    configure()
    waits()
