"""Who she is: one record per part, so that a vendor can be shown one part and no other."""

from __future__ import annotations

from datetime import date

from vault.errors import N_
from vault.record import Record, derived, labelled
from vault.values import When


class Name(
    Record, collection="profile", part="name", title=N_("Name"), one=N_("your name"), icon="person", single=True
):
    """What she is called."""

    given: str = labelled(N_("Given name"))
    family: str | None = labelled(N_("Family name"), default=None)
    display: str | None = labelled(N_("What to call you"), default=None)

    def name(self) -> str:
        """Both names."""
        return self.display or " ".join(filter(None, (self.given, self.family)))


class Email(Record, collection="profile", part="email", title=N_("E-mail"), one=N_("an e-mail address"), icon="mail"):
    """An e-mail address."""

    address: str = labelled(N_("E-mail address"), sensitive=True)
    use: str | None = labelled(N_("What it is for"), default=None, private=True)

    def name(self) -> str:
        """The address."""
        return self.address


class Phone(Record, collection="profile", part="phone", title=N_("Phone"), one=N_("a phone number"), icon="phone"):
    """A phone number."""

    number: str = labelled(N_("Phone number"), sensitive=True)
    use: str | None = labelled(N_("What it is for"), default=None, private=True)

    def name(self) -> str:
        """The number."""
        return self.number


class Address(
    Record, collection="profile", part="address", title=N_("Address"), one=N_("a postal address"), icon="home"
):
    """A postal address."""

    street: str | None = labelled(N_("Street and number"), default=None, sensitive=True)
    postal_code: str | None = labelled(N_("Postal code"), default=None)
    city: str = labelled(N_("City"))
    region: str | None = labelled(N_("Region"), default=None)
    country: str | None = labelled(N_("Country"), default=None)
    use: str | None = labelled(N_("What it is for"), default=None, private=True)

    def name(self) -> str:
        """Street and city."""
        return ", ".join(filter(None, (self.street, self.city)))


class Birthday(
    Record,
    collection="profile",
    part="birthday",
    title=N_("Birthday"),
    one=N_("your birthday"),
    icon="calendar",
    single=True,
):
    """The day she was born, and what can be said without telling it."""

    born_on: When = labelled(N_("Date of birth"), sensitive=True)

    @derived(N_("Day and month of birth, without the year"), about="born_on")
    def day_month(self, today: date) -> str | None:
        """`--12-10` (ISO 8601:2000 without a year), if the day is known."""
        return f"-{self.born_on.text[4:10]}" if self.born_on.exact else None

    @derived(N_("Whether you are 16 or older"), about="born_on", daily=True)
    def over_16(self, today: date) -> bool | None:
        """True from her sixteenth birthday on; None when the day of birth is not known."""
        return self._is(16, today)

    @derived(N_("Whether you are 18 or older"), about="born_on", daily=True)
    def over_18(self, today: date) -> bool | None:
        """True from her eighteenth birthday on; None when the day of birth is not known."""
        return self._is(18, today)

    @derived(N_("Whether you are 21 or older"), about="born_on", daily=True)
    def over_21(self, today: date) -> bool | None:
        """True from her twenty-first birthday on; None when the day of birth is not known."""
        return self._is(21, today)

    @derived(N_("Whether you are 65 or older"), about="born_on", daily=True)
    def over_65(self, today: date) -> bool | None:
        """True from her sixty-fifth birthday on; None when the day of birth is not known."""
        return self._is(65, today)

    def _is(self, years: int, today: date) -> bool | None:
        """Is she that old, if the day of her birth is known?"""
        if not self.born_on.exact:
            return None
        born = self.born_on.earliest
        return (today.year - born.year) - ((today.month, today.day) < (born.month, born.day)) >= years

    def name(self) -> str:
        """The date."""
        return self.born_on.text


class Size(Record, collection="profile", part="size", title=N_("Sizes"), one=N_("a size"), icon="sliders"):
    """A size in some system: shoes, EU, 39."""

    garment: str = labelled(N_("What it is the size of"))
    system: str | None = labelled(N_("System"), help=N_("For example EU or cm."), default=None)
    size: str = labelled(N_("Size"))

    def name(self) -> str:
        """Shoes 39 EU."""
        return " ".join(filter(None, (self.garment, self.size, self.system)))
