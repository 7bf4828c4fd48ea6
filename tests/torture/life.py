"""Ada's days with the Bookshop, one thing after another: each is told before it is tried and when it is answered.

Whoever listens knows at every moment what must be so, and what may be either way.
"""

from __future__ import annotations

from tests.torture.housekeeping import Housekeeping


class Life(Housekeeping):
    """What she and the Bookshop do."""

    def hour(self) -> None:
        """One grant, from its beginning to its end."""
        for act in (self.buys, self.asks, self.exchanges, self.reads, self.marks, self.narrows, self.stops):
            act()

    def day(self, number: int, most: int = 7) -> None:
        """A round with one grant, and at most so much of the usual; everything at least once in four of them, and every
        way in which it ends in seven."""
        rare = [self.returns, self.changes_keys, self.changes_passphrase, self.changes_code]
        rarer = [self.takes_off, self.merges, self.leaves_something, self.blocks]
        hers = [self.changes_passkeys, self.changes_settings, self.refuses, self.plays]
        ends = [self.expires, self.stays, self.stops_everything, self.begins_again]
        ends += [self.stops_by_link, self.stops, self.gives_back]
        usual = [self.buys, self.marks, self.forgets, self.puts_back, self.refreshes, self.narrows, self.pauses]
        usual += [self.resumes, self.pauses_everything, self.locks, self.reads, self.works]
        self.chance.shuffle(usual)
        between = [*usual[:most], *(some[number % len(some)] for some in (rare, rarer, hers))]
        self.chance.shuffle(between)
        begin = [self.wakes, self.buys, self.buys, self.asks, self.exchanges, self.reads]
        for act in [*begin, *between, ends[number % len(ends)]]:
            act()
