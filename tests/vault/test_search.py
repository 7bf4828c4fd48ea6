"""Search: everything is found, best first, whatever is typed, and only while the vault is open."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from tests.houses import home_of
from tests.people import Ada
from vault import store, words
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.models import RecordRow
from vault.search import Search, Wanted
from vault.values import When

NAME = re.compile(r'<h2 class="h3"><a href="[^"]+">(.*?)</a></h2>')


def names(page: str) -> list[str]:
    """The titles of what was found, without their marks."""
    return [unescape(re.sub("</?mark>", "", each)) for each in NAME.findall(page)]


def finds(ada: Ada, query: str) -> list[str]:
    """The same from the catalogue itself."""
    return [hit.entry.title for hit in Search(ada.open.catalogue, Wanted(words.terms(query))).hits(50)]


def test_everything_she_keeps_is_found_by_its_words(ada: Ada):
    ada.buys("Copper kettle", note="Whistles like a train", serial_number="KT-4711", price="39.95")
    ada.keeps(Note(heading="Window seals", text="Oil them twice, says the copper merchant."))
    ada.keeps(Preference(topic="Nuts", stance="never", note="Swelling"))
    ada.keeps(Address(city="Porthaven"))
    for query, title in (
        ("kettle", "Copper kettle"),
        ("whistles train", "Copper kettle"),
        ("KT-4711", "Copper kettle"),
        ("39.95", "Copper kettle"),
        ("oil", "Window seals"),
        ("swelling", "Nuts"),
        ("port", "Porthaven"),
        ("shop.local", "Bookshop"),
    ):
        assert names(ada.looks_at(f"/search?q={query}")) == [title], query


SAME = (
    ("Łódź", "lodz"),
    ("Lodz", "łódź"),
    ("Đorđe Øst, Smørrebrød", "dorde ost smorrebrod"),
    ("Straße", "STRASSE"),
    ("Příliš žluťoučký kůň", "prilis kun"),
    ("Țuică și brânză", "tuica si branza"),
    ("Cafe\u0301 cre\u0300me", "café crème"),
    ("Ærø œuf", "aero oeuf"),
    ("ﬁlm Ｆｕｌｌ", "film full"),
    ("İstanbul ışık", "istanbul isik"),
    ("Ёлка, Ελλάδα", "елка ελλαδα"),
    ("𝐀tlas 𝔉ull", "atlas"),
)


def test_accents_capitals_and_letters_with_a_stroke_do_not_matter(ada: Ada):
    kept = {ada.buys(written).number: (written, typed) for written, typed in SAME}
    for written, typed in kept.values():
        assert written in finds(ada, typed), typed
        assert written in finds(ada, written), written
        assert any(hit for _, hit in words.marked(written, words.terms(typed))), written


def test_the_beginning_of_a_word_is_enough_and_a_single_letter_is_a_word(ada: Ada):
    ada.buys("Kettle")
    ada.buys("Vitamin K")
    assert finds(ada, "ket") == ["Kettle"]
    assert finds(ada, "ettle") == []
    assert finds(ada, "k") == ["Vitamin K"]


def test_quotation_marks_keep_words_together(ada: Ada):
    ada.buys("The Salt Almanac")
    ada.buys("Almanac of salt")
    assert set(finds(ada, "salt almanac")) == {"The Salt Almanac", "Almanac of salt"}
    assert finds(ada, '"salt almanac"') == ["The Salt Almanac"]
    assert finds(ada, '"salt alm') == ["The Salt Almanac"], "also while the second one is not typed yet"


def test_the_best_come_first_and_among_equals_the_newest(ada: Ada):
    ada.buys("Tea strainer", "2026-05-01", note="For ink, by mistake")
    ada.buys("Ink", "2020-01-01")
    ada.buys("Inkwell", "2026-06-01")
    ada.buys("Ink", "2025-01-01")
    ada.keeps(Vendor(called="Ink & Oak"))
    found = Search(ada.open.catalogue, Wanted(["ink"])).hits(50)
    order = [(hit.entry.title, hit.entry.day) for hit in found]
    assert order == [
        ("Ink & Oak", ""),
        ("Ink", "2025-01-01"),
        ("Ink", "2020-01-01"),
        ("Inkwell", "2026-06-01"),
        ("Tea strainer", "2026-05-01"),
    ]


def test_a_purchase_is_found_by_the_name_its_vendor_has_now(ada: Ada):
    ada.buys("The Salt Almanac")
    ada.buys("Salt", vendor=None)
    assert finds(ada, "salt booksh") == ["The Salt Almanac"]
    vendor = ada.keeps(Vendor(called="Mira"))
    ada.buys("Lamp", vendor=vendor.number)
    ada.edits(vendor, called="Zenith")
    assert finds(ada, "mira") == []
    assert finds(ada, "zenith") == ["Zenith", "Lamp"]


def test_it_is_narrowed_to_a_collection_a_vendor_and_a_time(ada: Ada):
    ada.buys("Almanac", "2026-10-22")
    ada.buys("Almanac, used", "2024", vendor=None)
    ada.keeps(Note(heading="Almanac", text="Borrowed.", written_on=When("2026-10-02")))
    ada.keeps(Note(heading="Almanacs", text="Which to read."))
    number = ada.bookshop_number
    for more, found in (
        ("in=notes", ["Almanac", "Almanacs"]),
        (f"vendor={number}", ["Almanac"]),
        ("from=2026-10-22", ["Almanac"]),
        ("to=2024", ["Almanac, used"]),
        ("from=2024&to=2026-10-10", ["Almanac", "Almanac, used"]),
        ("from=2025&in=purchases", ["Almanac"]),
    ):
        assert names(ada.looks_at(f"/search?q=almanac&{more}")) == found, more
    for odd in ("in=nothing", "vendor=x", "from=%27", "to=2026-", "after=9_1", "after=0_", "vendor=9" + "9" * 30):
        assert len(names(ada.looks_at(f"/search?q=almanac&{odd}"))) == 4, odd
    page = ada.looks_at("/search?q=almanac&in=notes")
    assert re.search(r"Purchases <small>2</small>", page)
    assert re.search(r'aria-current="true">.*Notes <small>2</small>', page)


def test_page_after_page_shows_everything_once(ada: Ada):
    for number in range(25):
        ada.buys(f"Thing {number:02}", "2026-10-22" if number % 2 else f"2026-09-{number + 1:02}")
    for number in range(24):
        ada.buys(f"Other {number:02}", note="A thing beside.", vendor=None)
    seen, path = [], "/search?q=thing"
    while path:
        page = ada.looks_at(path)
        seen += names(page)
        following = re.search(r'<a class="btn" href="([^"]*after=[^"]*)"', page)
        path = unescape(following[1]) if following else ""
    assert len(seen) == len(set(seen)) == 49


def test_what_was_asked_for_is_marked_and_nothing_in_it_is_markup(ada: Ada):
    ada.buys("<b>Kettle</b> & <script>alert(1)</script>", note="So <i>copper</i> a kettle, bought twice")
    page = ada.looks_at("/search?q=KETTLE")
    assert "&lt;b&gt;<mark>Kettle</mark>&lt;/b&gt; &amp; &lt;script&gt;" in page
    assert "Your note: So &lt;i&gt;copper&lt;/i&gt; a <mark>kettle</mark>, bought twice" in page
    page = ada.looks_at('/search?q="><script>alert(1)</script>')
    assert "<script>alert" not in page
    assert "<mark>script</mark>" in page


def test_a_long_text_is_shown_round_the_word(ada: Ada):
    ada.keeps(Note(heading="Diary", text="lorem ipsum " * 500 + "the żółw came by\n" + "dolor sit " * 500))
    [part] = re.findall(r'<p class="note">(.*?)</p>', ada.looks_at("/search?q=zolw"))
    assert re.fullmatch(r"Text: … [a-z ]+ the <mark>żółw</mark> came by [a-z ]+ …", part)
    assert len(part) < 300


HOSTILE = [
    '"',
    '""""',
    "'; DROP TABLE words; --",
    "a AND",
    "NOT NOT OR",
    "NEAR(a b, 5)",
    "name : kettle",
    "{name rest} : *",
    "^kettle*",
    "kettle + *",
    "(((((((",
    "- -",
    "kettle\0more",
    "\U0001f600",
    "𞤀b",
    "_",
    "*",
    "c" * 10_000,
    "a " * 5_000,
    '"a" ' * 5_000,
    "vpurchases v1 cvendors",
]


def test_no_query_is_an_error(ada: Ada):
    ada.buys("Kettle")
    for query in HOSTILE:
        assert ada.browser.get("/search", query_string={"q": query}).status_code == 200, query
    for raw in ("%00", "kettle%00more", "%ff%fe", "%22%22%22"):
        ada.looks_at(f"/search?q={raw}")


@given(st.text(max_size=60) | st.text('"*()^:{}+-~\0ab AND', max_size=40), st.text(max_size=20))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_and_written_its_words_are_found_again(ada: Ada, query: str, text: str):
    catalogue = _catalogue(ada)
    wanted = words.terms(query)
    Search(catalogue, Wanted(wanted, "purchases", 3, "2020", "2021-01")).hits(5)
    Search(catalogue, Wanted(wanted)).counts()
    for marks in (words.marked(text, wanted), words.extract(text, wanted)):
        assert all(piece for piece, _ in marks)
    assert "".join(piece for piece, _ in words.marked(text, wanted)) == text
    assert all(term == words.fold(term) for term in wanted)


def _catalogue(ada: Ada):
    if not hasattr(ada, "kept"):
        ada.buys("Kettle a b and")
        ada.kept = ada.open.catalogue  # type: ignore[attr-defined]
    return ada.kept


def test_an_empty_page_says_what_to_do(ada: Ada):
    ada.buys("Copper kettle")
    assert "Everything you keep is in here" in ada.looks_at("/search")
    assert "Everything you keep is in here" in ada.looks_at("/search?q=%20%2A")
    nothing = ada.looks_at("/search?q=copper+zebra")
    assert "Nothing has all of this" in nothing
    assert re.search(r'copper: <a href="/search\?q=copper">1 record</a>', nothing)
    assert "zebra: nothing" in nothing
    assert "Search everywhere and any time" in ada.looks_at("/search?q=copper&in=notes&from=2020")
    assert "Search everywhere" not in nothing


def test_what_changes_is_found_anew_and_what_is_removed_no_more(ada: Ada):
    lamp, gone, bad = ada.buys("Lamp"), ada.buys("Lamp of brass"), ada.buys("Lamp of tin")
    assert len(finds(ada, "lamp")) == 3
    ada.edits(lamp, item="Lantern", bought_on="2019-01-01")
    ada.removes(gone)
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == bad.number).values(box=b"\x02" + bytes(60)))
    assert names(ada.looks_at("/search?q=lamp")) == [], "what does not open is not shown"
    ada.locks()
    ada.house.catalogues.rebuild(ada.house, ada.owner_id)
    ada.unlocks()
    assert finds(ada, "lamp") == []
    assert finds(ada, "lantern") == ["Lantern"]


def test_the_index_is_sealed_and_rebuilt_when_it_is_missing_broken_or_of_another_shape(ada: Ada):
    word = "quetzalcoatlus"
    ada.buys("Poster", note=f"With a {word}, life size")

    def is_nowhere_in_clear() -> bool:
        top = home_of(ada.house)
        return not [each for each in top.rglob("*") if each.is_file() and word.encode() in each.read_bytes().lower()]

    assert finds(ada, word) == ["Poster"]
    assert is_nowhere_in_clear()
    ada.locks()
    [file] = ada.house.settings.cache_dir.iterdir()
    assert is_nowhere_in_clear()
    assert word.encode() in _image(ada, file.read_bytes()), "it is in there, and would have been found"
    for breaks in (file.unlink, lambda: file.write_bytes(b"no box"), lambda: _puts_away_an_older_shape(ada)):
        breaks()
        ada.unlocks()
        assert finds(ada, word) == ["Poster"]
        ada.locks()


def _image(ada: Ada, box: bytes) -> bytes:
    from vault.catalogues import _about

    return ada.vault.keyring.open("catalogue", _about(ada.vault), box)


def _puts_away_an_older_shape(ada: Ada) -> None:
    from vault.catalogue import Catalogue
    from vault.catalogues import _save

    older = Catalogue()
    older._db.execute("PRAGMA user_version = 1")
    _save(older, ada.vault)


def test_among_very_many_nothing_is_counted_wrongly_and_a_purchase_takes_half_a_kibibyte(ada: Ada):
    old = ada.keeps(Note(heading="An old thing", text="Kept.", written_on=When("1999")))
    before = ada.open.catalogue.size
    with store.writing(ada.vault, numbers=2000) as turn:
        for number in range(2000):
            item = f"Thing number {number} with a title of usual length"
            store.add(turn, ada.vault, Purchase(item=item, bought_on=When("2026-10-22"), order=f"B-{number}"))
    assert ada.open.catalogue.size - before < 2000 * 512
    page = ada.looks_at("/search?q=thing")
    assert "More than 999 records match." in page
    assert "<small>" not in page
    narrowed = ada.looks_at("/search?q=thing&in=notes")
    assert "1 record matches." in narrowed
    assert f"/notes/{old.number}" in narrowed
    assert re.search(r'href="/search\?q=thing&amp;in=notes"', page), "also what is older than all that was counted"


def test_as_she_types_only_what_was_found_is_sent(ada: Ada):
    ada.buys("Copper kettle")
    answer = ada.browser.get("/search?q=ket", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert names(answer.text) == ["Copper kettle"]
    assert answer.headers["Vary"] == "HX-Request"
    assert answer.headers["Cache-Control"] == "no-store"


def test_once_it_is_locked_typing_leads_to_the_closed_vault(ada: Ada):
    ada.locks()
    answer = ada.browser.get("/search?q=ket", headers={"HX-Request": "true"})
    assert (answer.text, answer.headers["HX-Redirect"]) == ("", "/unlock?next=/search?q%3Dket")
    assert ada.browser.get("/search?q=ket").status_code == 303


def test_a_link_from_another_site_searches_nothing(ada: Ada):
    ada.buys("Copper kettle")
    for site in ("cross-site", "same-site"):
        page = ada.browser.get("/search?q=kettle", headers={"Sec-Fetch-Site": site}).text
        assert "Nothing was searched yet" in page
        assert 'value="kettle"' in page
        assert "Copper" not in page
    assert names(ada.browser.get("/search?q=kettle", headers={"Sec-Fetch-Site": "same-origin"}).text)


def test_the_way_to_search_is_on_every_page_once(ada: Ada):
    for path in ("/", "/purchases", "/notes", "/security", "/sharing", "/activity", "/imports"):
        page = ada.looks_at(path)
        assert page.count('role="search"') == 1, path
        assert '<label for="find">Search</label>' in page
    page = ada.looks_at("/search")
    assert page.count('role="search"') == 1
    assert '<label for="q">' in page
