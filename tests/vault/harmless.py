"""What somebody with raw SQL can spoil and nobody notices, and why that is no harm: read and judged, place by place.

The test fails on what is unnoticed and not here, and on what stands here and is noticed by now.
"""

from __future__ import annotations

# The reason, and the ways by place.
HARMLESS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        ("Two of a row are one under another name: nobody has that name, and a box in it does not open under it."),
        {
            "database.handles": "doubled",
            "database.attempts": "doubled",
            "database.clients": "doubled",
            "database.seen": "doubled",
            "database.erasures": "doubled",
            "database.locks[passphrase]": "doubled",
            "database.locks[session]": "doubled",
            "database.certificates": "doubled",
            "database.requests": "doubled",
            "database.denials": "doubled",
            "database.import_chunks": "doubled",
            "database.import_reports": "doubled",
            "keystore.floors": "doubled",
        },
    ),
    (
        (
            "It says how long the next wait is, no longer than any that is given; set back, it is a try "
            "forgotten, as by deleting the row."
        ),
        {
            "database.attempts.count": "flipped swapped doubled emptied cut huge negative",
        },
    ),
    (
        "A wait a second longer or shorter, or one that was over long ago.",
        {
            "database.attempts": "older",
            "database.attempts.until": "flipped",
        },
    ),
    (
        (
            "What does not open, or is not there, is fetched anew from the client's own address; its keys and its "
            "date are in the box."
        ),
        {
            "database.clients": "deleted",
            "database.clients.tag": "flipped emptied cut",
            "database.clients.fresh_until": "flipped emptied cut huge negative",
            "database.clients.box": "flipped swapped doubled emptied cut",
        },
    ),
    (
        (
            "The first row counts, and what is missing is written anew at the next start; the first vault's "
            "address is then open as with `claimed`, below."
        ),
        {
            "log.instance": "doubled deleted",
            "database.instance": "doubled deleted",
            "keystore.instance": "doubled",
        },
    ),
    (
        "`/readyz` alone reads it, and says that the tables do not fit; which form they have, Alembic says.",
        {
            "database.instance.format": "flipped emptied cut huge negative",
        },
    ),
    (
        (
            "The one-time page is open again, at an address made with a key from the keystore: who knows it still "
            "can set up a vault of his own there, nothing of hers."
        ),
        {
            "database.instance.claimed": "flipped emptied cut",
        },
    ),
    (
        (
            "What was used is remembered longer, or some second less; without its row it counts again, which "
            "somebody notices."
        ),
        {
            "database.seen": "older",
            "database.seen.expires_at": "flipped huge",
        },
    ),
    (
        (
            "A request lives longer, or again: until she answers it on its own consent screen, with its preview, "
            "like any other."
        ),
        {
            "database.requests": "older",
            "database.requests.expires_at": "flipped huge",
            "database.requests.opened": "flipped",
        },
    ),
    (
        "By it those of one day are counted: one more may be left, or one less.",
        {
            "database.deposits.day": "flipped emptied cut huge negative",
        },
    ),
    (
        ("Of her no only the request's own tag counts; what she offered instead is then no offer, and she is asked."),
        {
            "database.denials": "older",
            "database.denials.vendor_tag": "flipped emptied cut",
            "database.denials.offer_box": "flipped older emptied cut",
        },
    ),
    (
        (
            "A job comes sooner or later, is given up, or is gone: a mail that nobody gets. What must end is over "
            "by its sealed terms."
        ),
        {
            "database.jobs[mail].owner_id": "flipped emptied cut",
            "database.jobs[mail].job_id": "flipped emptied cut",
            "database.jobs[mail].box": "flipped swapped doubled emptied cut",
            "database.jobs[mail].due_at": "flipped swapped doubled emptied cut negative",
            "database.jobs[mail].lease_until": "flipped negative",
            "database.jobs[mail].lease_id": "written",
            "database.jobs[mail].attempts": "negative",
            "database.jobs[expire].due_at": "flipped swapped doubled",
            "database.jobs[expire].lease_until": "flipped negative",
            "database.jobs[expire].lease_id": "written",
        },
    ),
    (
        (
            "By it a new consent finds the one that it replaces: another, or none, is ended by it. She sees both, "
            "and ends either."
        ),
        {
            "database.grants[live].vendor_tag": "flipped swapped doubled emptied cut",
            "database.grants[ended].vendor_tag": "flipped emptied cut",
        },
    ),
    (
        "It is numbered on after what is there (tests/consent/test_damage.py).",
        {
            "database.grants[live].change": "flipped swapped doubled older emptied cut huge negative",
        },
    ),
    (
        (
            "An ended one is told from her memory of it: what else stands in its row nobody reads any more. Of a "
            "living one nobody reads when it ended."
        ),
        {
            "database.grants[live].ended_day": "written",
            "database.grants[ended].change": "flipped emptied cut huge negative",
            "database.grants[ended].changed_day": "flipped emptied cut huge negative",
            "database.grants[ended].label_box": "flipped swapped doubled emptied cut",
            "database.grants[ended].terms_box": "written",
        },
    ),
    (
        "Whoever works on it is known by the lease that he took himself, whatever stands there before.",
        {
            "database.imports.lease_until": "flipped negative",
            "database.imports.lease_id": "written",
        },
    ),
    (
        "Nobody reads it but to sort rows, and those are sorted again by what is in their boxes.",
        {
            "database.imports.started_day": "flipped emptied cut huge negative",
        },
    ),
    (
        "Only sessions have times.",
        {
            "database.locks[passphrase].expires_at": "written",
            "database.locks[passphrase].used_at": "written",
            "database.locks[recovery].expires_at": "written",
            "database.locks[recovery].used_at": "written",
        },
    ),
    (
        ("A session lives a little longer or shorter, twelve hours at most, which its lock says (test_tampering.py)."),
        {
            "database.locks[session].used_at": "emptied cut negative",
        },
    ),
    (
        "Locks from before whose peppers are gone open nothing; those whose peppers live were hers.",
        {
            "database.locks[session]": "older",
        },
    ),
    (
        "It belongs to no import that could be undone.",
        {
            "database.records.import_id": "written",
        },
    ),
    (
        "Both are read of rows without a box alone.",
        {
            "database.records.removed_day": "written",
            "database.records.returns": "flipped",
        },
    ),
    (
        (
            "The end of all of them is in the sealed terms; a code whose minute is longer needs the vendor's keys "
            "as before."
        ),
        {
            "database.grant_locks[code].expires_at": "flipped huge",
            "database.grant_locks[access].expires_at": "flipped huge",
            "database.grant_locks[refresh].expires_at": "flipped huge",
            "database.grant_locks[link].expires_at": "flipped swapped doubled huge",
            "database.grant_locks[share].expires_at": "flipped huge",
        },
    ),
    (
        "Only a code is spent, and then its box opens to nothing, whatever stands beside it.",
        {
            "database.grant_locks[code].used_at": "flipped emptied cut huge negative",
            "database.grant_locks[access].used_at": "written",
            "database.grant_locks[refresh].used_at": "written",
            "database.grant_locks[link].used_at": "written",
            "database.grant_locks[share].used_at": "written",
        },
    ),
    (
        (
            "What was spent or dropped lives as long as its grant (test_tampering.py); of a grant that has ended "
            "it opens nothing."
        ),
        {
            "database.grant_locks[code]": "older",
            "database.grant_locks[link]": "older",
        },
    ),
    (
        "When it was stands in the box; a tag where there is none remembers one proof more.",
        {
            "log.accesses.proof_tag": "written",
            "log.accesses.day": "flipped emptied cut huge",
        },
    ),
    (
        "Views are given back or taken; she sees every one of them (test_tampering.py).",
        {
            "log.counters.looks_of_day": "flipped swapped doubled emptied cut negative",
            "log.counters.day": "flipped swapped doubled emptied cut huge negative",
            "log.counters.began_at": "flipped swapped doubled emptied cut huge negative",
        },
    ),
    (
        "Only their number is shown.",
        {
            "log.refusals.day": "flipped emptied cut huge negative",
        },
    ),
    (
        (
            "A floor that was lowered is raised at the next look; whoever can write here can put an old keystore "
            "back, too (docs/threats.md)."
        ),
        {
            "keystore.floors": "older",
            "keystore.floors.revision": "flipped another's older emptied cut negative",
        },
    ),
    (
        ("Nothing that was stopped lives below it but with a pepper put back; stopping again reaches everything."),
        {
            "keystore.floors.epoch": "negative",
        },
    ),
    (
        (
            "The log is compared with nothing then: a line from a mail or an older export shows what was changed "
            "(docs/threats.md)."
        ),
        {
            "keystore.floors.log_number": "negative",
            "keystore.floors.log_head": "emptied",
        },
    ),
    (
        "Only grants have them.",
        {
            "keystore.peppers[lock].version": "flipped huge negative",
            "keystore.peppers[lock].held": "written",
            "keystore.peppers[lock].epoch": "flipped huge negative",
            "keystore.peppers[session].version": "flipped huge negative",
            "keystore.peppers[session].held": "written",
            "keystore.peppers[session].epoch": "flipped huge negative",
        },
    ),
    (
        (
            "A floor that was lowered is raised at the next look; it counts when an older row is put back with it "
            "(docs/threats.md)."
        ),
        {
            "keystore.peppers[grant].version": "flipped doubled older emptied cut negative",
        },
    ),
    (
        ("It lives as before, and stopping everything reaches it wherever it stands (tests/vault/test_keystore.py)."),
        {
            "keystore.peppers[grant].epoch": "flipped huge",
        },
    ),
    (
        "Of what has ended the pepper alone is back, and its rows are not (docs/threats.md).",
        {
            "keystore.peppers[grant]": "older",
        },
    ),
    (
        ("Their numbers only say which of two keys that sign is the newer, and two rows of one key are the same key."),
        {
            "keystore.server_keys[seal]": "doubled",
            "keystore.server_keys[seal].key_id": "flipped emptied cut huge negative",
            "keystore.server_keys[tag]": "doubled",
            "keystore.server_keys[tag].key_id": "emptied huge negative",
            "keystore.server_keys[route]": "doubled",
            "keystore.server_keys[route].key_id": "emptied huge negative",
            "keystore.server_keys[receipt]": "doubled",
            "keystore.server_keys[receipt].key_id": "emptied huge negative",
        },
    ),
    (
        (
            "A receipt that was there before was true then; what is written where there was none does not open, "
            "and nobody asks for it."
        ),
        {
            "database.receipts[consent]": "older",
            "database.receipts[consent].screen_box": "written",
            "database.receipts[end].copy_box": "written",
        },
    ),
    (
        "It is the pace of one minute: the vendor is told to wait until it is over, or is not.",
        {
            "log.counters.minute": "flipped emptied cut huge negative",
            "log.counters.calls": "flipped swapped doubled huge negative",
        },
    ),
    (
        (
            "What is signed from then on names another key, and what was signed before agrees with none that is "
            "published, which `vrm verify` says."
        ),
        {
            "keystore.server_keys[receipt]": "deleted",
            "keystore.server_keys[receipt].purpose": "flipped emptied cut",
            "keystore.server_keys[receipt].secret": "flipped",
        },
    ),
)
