"""Days and moments by their numbers since 1970. Some of these stand in clear in a row, and whoever can write there can
write anything: what no calendar has becomes its first or last day, so that no page stumbles over it."""

from __future__ import annotations

from datetime import UTC, date, datetime

DAY = 86400  # seconds
LAST = 2_932_532  # 1 January 9999, so that it is in the calendar in every time zone


def day_of(number: int) -> date:
    """A day by its number."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + min(max(number, 0), LAST))


def moment_of(seconds: int) -> datetime:
    """A moment by its seconds, in UTC."""
    return datetime.fromtimestamp(min(max(seconds, 0), LAST * DAY), UTC)
