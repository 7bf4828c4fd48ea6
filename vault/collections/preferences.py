"""What she likes and does not."""

from __future__ import annotations

from vault.errors import N_
from vault.record import Record, labelled


class Preference(Record, collection="preferences", title=N_("Preferences"), one=N_("a preference"), icon="sliders"):
    """A topic and where she stands."""

    topic: str = labelled(N_("Topic"))
    stance: str = labelled(
        N_("Where you stand"),
        one_of={"like": N_("like it"), "dislike": N_("would rather not"), "never": N_("never want it")},
    )
    strength: int | None = labelled(
        N_("How strongly"), help=N_("1 a little, 3 very much."), default=None, between=(1, 3)
    )
    note: str | None = labelled(N_("Your note"), default=None, private=True, long=True)

    def name(self) -> str:
        """The topic."""
        return self.topic

    def facet(self) -> str:
        """Her stance."""
        return self.stance
