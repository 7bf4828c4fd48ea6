"""What the shop makes of what it was shown. Pure; and wary, for a vault's values are anybody's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from connectors.demo_shop.stock import BOOKS, Book

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A book on the shelf, with what we may say about it (`owned` or `liked`, empty when there is nothing)."""

    book: Book
    owned: str = ""
    liked: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """One page's worth of greeting: a line, further notes, and the shelf in order."""

    line: str
    notes: tuple[str, ...]
    shelf: tuple[Place, ...]


def for_anybody() -> tuple[Place, ...]:
    """The shelf as strangers see it."""
    return tuple(Place(book) for book in BOOKS if not book.over_18)


def welcome(shown: Mapping[str, Iterable[Mapping[str, Any]]], today: date) -> Welcome:
    """`shown` holds, by collection, the data of each record."""
    purchases = list(shown.get("purchases", ()))
    profile: dict[str, Any] = {}
    for part in shown.get("profile", ()):
        profile |= part
    likes, never = _stances(shown.get("preferences", ()))
    grown_up = profile.get("birthday.over_18") is True
    owned = {book.title: words for book in BOOKS if (words := _owned(book, purchases, today))}
    open_to_her = [book for book in BOOKS if grown_up or not book.over_18]
    places = [
        Place(book, owned.get(book.title, ""), "" if book.title in owned else _because(book, likes))
        for book in open_to_her
        if not book.topics & never
    ]
    notes = [*_of_birthday(profile, today), *_of_city(profile)]
    if grown_up:
        notes.append("You are over 18, so the cellar shelf is open. Your year of birth we do not know.")
    if left_out := len(open_to_her) - len(places):
        notes.append(f"We left out {_count(left_out, 'book')} on what you never want to see.")
    return Welcome(_line(purchases, owned), tuple(notes), tuple(sorted(places, key=_order)))


def a_day(day: date, today: date) -> str:
    """“23 December”, with the year only when it is another one."""
    words = f"{day.day} {MONTHS[day.month - 1]}"
    return words if day.year == today.year else f"{words} {day.year}"


def _line(purchases: list[Mapping[str, Any]], owned: Mapping[str, str]) -> str:
    titles = list(owned)
    if len(titles) > 3:
        return f"You already own {', '.join(titles[:2])} and {_count(len(titles) - 2, 'other book')} from our shelves."
    if titles:
        listed = " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)
        return f"You already own {listed}."
    if purchases:
        return f"You bought {_count(len(purchases), 'thing')} here before, and none that stands on this shelf."
    return "You have bought nothing here lately that we may see."


def _owned(book: Book, purchases: Iterable[Mapping[str, Any]], today: date) -> str:
    """“On your shelf since November”; editions count (“The Salt Almanac (Paperback)”), other books do not."""
    for purchase in purchases:
        item = purchase.get("item")
        if isinstance(item, str) and re.match(rf"{re.escape(book.title)}(?![\w ,'’-]*\w)", item.strip(), re.IGNORECASE):
            rating = purchase.get("rating")
            stars = f", you gave it {rating} of 5" if isinstance(rating, int) and 1 <= rating <= 5 else ""
            return f"On your shelf{_since(purchase.get('bought_on'), today)}{stars}"
    return ""


def _since(bought_on: Any, today: date) -> str:
    found = re.match(r"(\d{4})-(\d{2})", bought_on) if isinstance(bought_on, str) else None
    if found is None or not 1 <= int(found[2]) <= 12:
        return ""
    year = "" if int(found[1]) == today.year else f" {found[1]}"
    return f" since {MONTHS[int(found[2]) - 1]}{year}"


def _stances(preferences: Iterable[Mapping[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    by_stance: dict[str, set[str]] = {"like": set(), "never": set()}
    for preference in preferences:
        topic, stance = preference.get("topic"), preference.get("stance")
        if isinstance(topic, str) and isinstance(stance, str):
            by_stance.setdefault(stance, set()).add(topic.strip().casefold())
    return frozenset(by_stance["like"]), frozenset(by_stance["never"])


def _because(book: Book, likes: frozenset[str]) -> str:
    reasons = sorted(topic for topic in book.topics if any(topic in re.findall(r"\w+", like) for like in likes))
    return f"Because you like {reasons[0]}" if reasons else ""


def _of_birthday(profile: Mapping[str, Any], today: date) -> list[str]:
    value = profile.get("birthday.day_month")
    found = re.fullmatch(r"--(\d{2})-(\d{2})", value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[1]) <= 12:
        return []
    month, day = int(found[1]), int(found[2])
    if (month, day) == (today.month, today.day):
        return ["Many happy returns of the day."]
    return [f"We have set a card aside for {day} {MONTHS[month - 1]}."]


def _of_city(profile: Mapping[str, Any]) -> list[str]:
    city = profile.get("address.city")
    return [f"A parcel to {city[:60]} takes two days."] if isinstance(city, str) and city.strip() else []


def _order(place: Place) -> int:
    """What she may care for first, what she owns last; the rest as it stands."""
    return 0 if place.liked else 2 if place.owned else 1


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
