"""The primitives: known answers, refusals, and the conditions under which they are safe."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from vault import bearer, crypto, locks

VECTORS = Path(__file__).parents[1] / "vectors"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
ABOUT = crypto.identity("vrm/1/record", b"o" * 16, 1, 1)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# Points of X25519 with which every private key comes to the same (RFC 7748 §6.1), and one beyond the field.
NO_SECRET = [bytes(32), b"\x01" + bytes(31), b"\xff" * 32]
parts = some.lists(some.one_of(some.binary(max_size=40), some.text(max_size=20)), max_size=6)


def known(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def part_of(shown: dict[str, Any]) -> bytes | str | int:
    return bytes.fromhex(shown["hex"]) if "hex" in shown else shown.get("text", shown.get("number"))


def plaintext(length: int) -> bytes:
    return (bytes(range(256)) * (length // 256 + 1))[:length]


def test_hkdf_gives_the_answers_of_its_rfc() -> None:
    secret, salt, info = b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA))
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert crypto.derive(secret, salt, info, 42).hex() == expected


@pytest.mark.parametrize("each", known("identity")["identities"], ids=lambda each: each["hex"][:24])
def test_identities_have_their_known_encoding(each: Any) -> None:
    assert crypto.identity(*map(part_of, each["parts"])).hex() == each["hex"]  # type: ignore[arg-type]


@given(parts, parts)
def test_no_two_lists_have_the_same_identity(one: list[bytes | str], other: list[bytes | str]) -> None:
    def raw(each: list[bytes | str]) -> list[bytes]:
        return [part.encode() if isinstance(part, str) else part for part in each]

    assert (crypto.identity("k", *one) == crypto.identity("k", *other)) == (raw(one) == raw(other))


@pytest.mark.parametrize("each", known("boxes")["precious"], ids=lambda each: f"{each['length']} bytes")
def test_precious_boxes_open_to_their_known_text(each: Any) -> None:
    box, about = bytes.fromhex(each["box"]), bytes.fromhex(each["identity"])
    assert crypto.open_box(bytes.fromhex(each["key"]), about, box) == plaintext(each["length"])
    assert crypto.key_id_of(box) == each["key_id"]


@pytest.mark.parametrize("each", known("boxes")["rows"], ids=lambda each: f"{each['length']} bytes")
def test_rows_open_to_their_known_text(each: Any) -> None:
    key = crypto.RowKey(bytes.fromhex(each["key"]), key_id=each["key_id"])
    assert key.open(bytes.fromhex(each["identity"]), bytes.fromhex(each["box"])) == plaintext(each["length"])


def test_a_row_key_is_derived_as_the_format_says() -> None:
    shown = known("boxes")["row_key"]
    assert crypto.derive(bytes.fromhex(shown["key"]), None, b"rows").hex() == shown["derived"]


@pytest.mark.parametrize("each", known("locks")["keks"], ids=lambda each: each["kind"])
def test_keks_have_their_known_value(each: Any) -> None:
    owner, lock, secret = (bytes.fromhex(each[name]) for name in ("owner", "lock", "secret"))
    pepper = bytes.fromhex(each["pepper"]) if each["pepper"] else None
    made = crypto.derive(secret, pepper, crypto.identity("vrm/1/kek", each["kind"], owner, lock))
    assert made.hex() == each["kek"]


@pytest.mark.parametrize("each", known("locks")["locks"], ids=lambda each: each["kind"])
def test_locks_open_to_their_known_payload(each: Any) -> None:
    owner, lock, secret, params = (bytes.fromhex(each[name]) for name in ("owner", "lock", "secret", "params"))
    pepper = bytes.fromhex(each["pepper"]) if each["pepper"] else None
    opened = locks.open_lock(each["kind"], owner, lock, secret, pepper, params, bytes.fromhex(each["box"]))
    assert opened.hex() == each["payload"]


def test_a_passphrase_stretches_to_its_known_secret_however_it_was_composed() -> None:
    shown = known("locks")["argon2id"]
    assert locks.passphrase_secret(shown["passphrase"], bytes.fromhex(shown["params"])).hex() == shown["secret"]
    assert locks.passphrase_secret("Ångström five kettles", bytes.fromhex(shown["params"])).hex() == shown["secret"]


@pytest.mark.parametrize("each", known("strings")["strings"], ids=lambda each: each["kind"])
def test_bearer_strings_are_written_and_read_as_known(each: Any) -> None:
    route_key = bytes.fromhex(known("strings")["route_key"])
    owner, lock, secret = (bytes.fromhex(each[name]) for name in ("owner", "lock", "secret"))
    string = bearer.Bearer(each["kind"], owner, lock, secret)
    assert string.text(route_key) == each["text"]
    assert bearer.parse(each["text"], each["kind"], route_key) == string


@pytest.mark.parametrize("each", known("strings")["recovery_codes"], ids=lambda each: each["written"][:5])
def test_recovery_codes_are_written_and_read_as_known(each: Any) -> None:
    assert locks.write_recovery_code(bytes.fromhex(each["secret"])) == each["written"]
    typed = each["written"].lower().replace("-", " – ").replace("0", "o").replace("1", "l")
    assert locks.read_recovery_code(typed) == bytes.fromhex(each["secret"])


@pytest.mark.parametrize("each", known("strings")["tags"], ids=lambda each: each["tag"][:12])
def test_tags_have_their_known_value(each: Any) -> None:
    assert crypto.tag(bytes.fromhex(each["key"]), *map(part_of, each["parts"])).hex() == each["tag"]  # type: ignore[arg-type]


def test_a_signature_has_the_value_of_the_rfc() -> None:
    """RFC 8032 §7.1, test 2."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert crypto.public_half(seed).hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert crypto.sign(seed, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@pytest.mark.parametrize(("length", "bucket"), known("padding")["buckets"])
def test_texts_are_padded_to_their_known_bucket(length: int, bucket: int) -> None:
    assert len(crypto.pad(b"x" * length)) == bucket


@given(some.integers(0, 1 << 22))
def test_padding_adds_spaces_only_and_at_most_an_eighth(length: int) -> None:
    made = crypto.pad(b"x" * length)
    assert made == b"x" * length + b" " * (len(made) - length)
    assert len(made) <= max(64, length * 1.125)


@pytest.mark.parametrize("length", [0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 40_000])
def test_the_length_of_a_box_tells_that_of_its_text_and_the_other_way_round(length: int) -> None:
    made = len(crypto.seal(KEY, ABOUT, bytes(length)))
    assert crypto.sealed_length(length) == made
    assert crypto.opened_length(made) == length


@settings(deadline=None)
@given(some.integers(0, 100_000))
def test_a_length_that_no_box_has_is_refused(length: int) -> None:
    try:
        opened = crypto.opened_length(length)
    except crypto.Damaged:
        assert all(crypto.sealed_length(max(length - more, 0)) != length for more in range(62, 220, 16))
    else:
        assert opened >= 0
        assert crypto.sealed_length(opened) == length


@pytest.mark.parametrize("length", [0, 60, 61, 76, 77 + 16_383 + 1, 77 + 16_383 + 16])
def test_a_box_between_two_lengths_is_none(length: int) -> None:
    with pytest.raises(crypto.Damaged):
        crypto.opened_length(length)


def test_a_box_names_the_key_that_it_is_sealed_with() -> None:
    for key_id in (0, 1, 0x01020304, 0xFFFFFFFF):
        private = bytes(range(32))
        boxes = [
            crypto.seal(KEY, ABOUT, b"", key_id=key_id),
            crypto.RowKey(KEY, key_id=key_id).seal(ABOUT, b""),
            crypto.seal_to(crypto.public_key(private), ABOUT, b"", key_id=key_id),
        ]
        assert [crypto.key_id_of(box) for box in boxes] == [key_id] * 3
        assert [box[0] for box in boxes] == [1, 2, 3]
        assert crypto.open_left(private, ABOUT, boxes[2]) == b""
    assert crypto.key_id_of(crypto.seal(KEY, ABOUT, b"")) == crypto.key_id_of(crypto.RowKey(KEY).seal(ABOUT, b"")) == 0


@pytest.mark.parametrize("text", [b"", b"x", b"gift for Bram" * 100])
def test_whatever_is_sealed_opens_again(text: bytes) -> None:
    rows = crypto.RowKey(KEY, key_id=3)
    assert rows.open(ABOUT, rows.seal(ABOUT, text)) == text
    assert crypto.open_box(KEY, ABOUT, crypto.seal(KEY, ABOUT, text, key_id=3)) == text


def test_what_was_left_opens_to_its_owner_alone() -> None:
    private, public = KEY, crypto.public_key(KEY)
    box = crypto.seal_to(public, ABOUT, b"a receipt", key_id=5)
    assert crypto.open_left(private, ABOUT, box) == b"a receipt"
    tries: list[tuple[bytes, bytes, bytes | None]] = [
        (OTHER, ABOUT, box),
        (private, ABOUT + b"\0", box),
        (private, ABOUT, box[:1] + b"\0\0\0\x06" + box[5:]),
        (private, ABOUT, b"\x01" + box[1:]),
        (private, ABOUT, box + b"\0"),
        (private, ABOUT, b""),
        (private, ABOUT, None),
        *((private, ABOUT, box[:5] + point + bytes(40)) for point in NO_SECRET),
        *((private, ABOUT, box[:cut]) for cut in range(len(box))),
    ]
    for wrong in tries:
        with pytest.raises(crypto.Damaged) as failure:
            crypto.open_left(*wrong)
        assert failure.value.__context__ is None or failure.value.__suppress_context__


def test_a_signature_is_of_one_key_and_one_message() -> None:
    public, signature = crypto.public_half(KEY), crypto.sign(KEY, b"a receipt")
    assert crypto.is_signed(public, b"a receipt", signature) is True
    assert crypto.is_signed(public, b"another", signature) is False
    assert crypto.is_signed(crypto.public_half(OTHER), b"a receipt", signature) is False
    assert crypto.is_signed(public[:-1], b"a receipt", signature) is False
    assert crypto.is_signed(public, b"a receipt", signature[:-1]) is False


def test_a_route_can_be_turned_back_and_is_the_cipher_of_its_standard() -> None:
    """FIPS 197, appendix C.3."""
    routed = crypto.route(bytes(range(32)), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert routed.hex() == "8ea2b7ca516745bfeafc49904b496089"
    assert crypto.route(bytes(range(32)), routed, back=True).hex() == "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize("length", [15, 17])
def test_what_is_no_whole_block_is_not_routed(length: int) -> None:
    for back in (False, True):
        with pytest.raises(ValueError, match="block length"):
            crypto.route(KEY, bytes(length), back=back)


def test_a_digest_tells_its_parts_apart_and_takes_them_one_by_one() -> None:
    assert crypto.digest("a", 1, b"b") == hashlib.sha256(crypto.identity("vrm/1/digest", "a", 1, b"b")).digest()
    assert crypto.digest_of(iter(["a", 1, b"b"])) == crypto.digest("a", 1, b"b") != crypto.digest("a", 1, b"", b"b")


def test_two_secrets_are_the_same_or_not() -> None:
    assert crypto.same(b"one", b"one") is True
    assert crypto.same(b"one", b"two") is False


def test_random_bytes_are_a_key_long_unless_it_is_said() -> None:
    assert [len(crypto.random_bytes()), len(crypto.random_bytes(16)), len(crypto.derive(KEY, None, b""))] == [
        32,
        16,
        32,
    ]


def test_two_boxes_of_one_text_have_nothing_in_common() -> None:
    assert crypto.seal(KEY, ABOUT, b"the same")[5:] != crypto.seal(KEY, ABOUT, b"the same")[5:]
    rows = crypto.RowKey(KEY)
    assert len({rows.seal(ABOUT, b"the same")[5:17] for _ in range(2000)}) == 2000


@pytest.mark.parametrize("length", [0, 1, 16_383, 16_384, 16_385, 40_000])
def test_a_box_that_was_cut_or_lengthened_does_not_open(length: int) -> None:
    box = crypto.seal(KEY, ABOUT, bytes(length))
    cuts = {0, 1, 4, 5, 28, 29, 60, 61, 76, 77, len(box) - 1, len(box) - 16, 61 + 16_400, 61 + 2 * 16_400}
    for cut in cuts - {len(box)}:
        with pytest.raises(crypto.Damaged):
            crypto.open_box(KEY, ABOUT, box[:cut] if cut < len(box) else box + bytes(16))
    with pytest.raises(crypto.Damaged):
        crypto.open_box(KEY, ABOUT, box + b"\0")


def test_a_row_that_was_cut_does_not_open() -> None:
    rows = crypto.RowKey(KEY)
    box = rows.seal(ABOUT, b"something")
    for cut in range(len(box)):
        with pytest.raises(crypto.Damaged):
            rows.open(ABOUT, box[:cut])


def test_there_is_one_failure_for_every_reason() -> None:
    precious, row = crypto.seal(KEY, ABOUT, b"gift for Bram"), crypto.RowKey(KEY).seal(ABOUT, b"gift for Bram")
    tries = [
        lambda: crypto.open_box(OTHER, ABOUT, precious),
        lambda: crypto.open_box(KEY, ABOUT + b"\0", precious),
        lambda: crypto.open_box(KEY, ABOUT, b"\x02" + precious[1:]),
        lambda: crypto.open_box(KEY, ABOUT, precious[:1] + b"\0\0\0\x09" + precious[5:]),
        lambda: crypto.open_box(KEY, ABOUT, row),
        lambda: crypto.open_box(KEY, ABOUT, b""),
        lambda: crypto.open_box(KEY, ABOUT, None),
        lambda: crypto.RowKey(OTHER).open(ABOUT, row),
        lambda: crypto.RowKey(KEY, key_id=9).open(ABOUT, row),
        lambda: crypto.RowKey(KEY).open(ABOUT + b"\0", row),
        lambda: crypto.RowKey(KEY).open(ABOUT, row[:1] + b"\0\0\0\x09" + row[5:]),
        lambda: crypto.RowKey(KEY).open(ABOUT, precious),
        lambda: crypto.RowKey(KEY).open(ABOUT, None),
    ]
    for each in tries:
        with pytest.raises(crypto.Damaged) as failure:
            each()
        assert str(failure.value) == "a box does not open"
        assert failure.value.__cause__ is None
        assert failure.value.__context__ is None or failure.value.__suppress_context__


@pytest.mark.parametrize(
    ("memory", "passes", "lanes"),
    [
        (1 << 31, 3, 1),
        ((1 << 20) + 1, 3, 1),
        (1 << 16, 1 << 31, 1),
        (1 << 16, 33, 1),
        (1 << 16, 3, 17),
        (1 << 16, 3, (1 << 24) + 1),
        (1 << 16, 3, 0),
        ((1 << 16) - 1, 3, 1),
        (1 << 16, 2, 1),
        (1 << 16, 0, 1),
        (0, 0, 0),
    ],
)
def test_a_cost_above_the_ceiling_or_below_the_floor_is_refused_before_it_is_paid(
    memory: int, passes: int, lanes: int
) -> None:
    params = crypto.Cost(memory, passes, lanes).to_bytes() + bytes(16)
    began = time.perf_counter()
    with pytest.raises(crypto.Damaged):
        locks.passphrase_secret("a lamp, a kettle, a map", params)
    assert time.perf_counter() - began < 0.05


def test_no_secret_stands_in_a_repr() -> None:
    string = bearer.mint("access", b"o" * 16, b"l" * 16)
    assert string.secret.hex() not in repr(string)
    assert repr(string.secret) not in repr(string)


def test_a_string_of_one_kind_is_not_one_of_another() -> None:
    string = bearer.mint("refresh", b"o" * 16, b"l" * 16).text(KEY)
    assert bearer.parse(string, "refresh", KEY) is not None
    for kind in ("session", "code", "access", "link", "share"):
        assert bearer.parse(string, kind, KEY) is None  # type: ignore[arg-type]
        assert bearer.parse(string.replace("_rt_", f"_{bearer.PREFIX[kind]}_"), "refresh", KEY) is None  # type: ignore[index]


def test_every_slip_in_a_string_is_noticed() -> None:
    string = bearer.mint("link", b"o" * 16, b"l" * 16).text(KEY)
    for at in range(7, len(string)):
        slipped = string[:at] + ("A" if string[at] != "A" else "B") + string[at + 1 :]
        assert bearer.parse(slipped, "link", KEY) is None
    for wrong in ("", "vrm_rv_", string + "A", string[:-1], " " + string, string.upper(), string + "\n"):
        assert bearer.parse(wrong, "link", KEY) is None


def test_a_string_is_read_back_only_as_it_was_written() -> None:
    """Its last letter has two bits to spare, which no check sum sees."""
    string = bearer.mint("link", b"o" * 16, b"l" * 16).text(KEY)
    read = [letter for letter in LETTERS if bearer.parse(string[:-1] + letter, "link", KEY)]
    assert read == [string[-1]]


def test_a_new_string_says_whose_lock_it_is_for_and_has_a_secret_of_its_own() -> None:
    one, other = (bearer.mint("link", b"o" * 16, b"l" * 16) for _ in range(2))
    assert (one.kind, one.owner_id, one.lock_id, len(one.secret)) == ("link", b"o" * 16, b"l" * 16, 32)
    assert one.secret != other.secret


def test_two_strings_for_one_owner_cannot_be_joined() -> None:
    routes = {bearer.mint("access", b"o" * 16, crypto.random_bytes(16)).text(KEY)[7:28] for _ in range(200)}
    assert len(routes) == 200


def test_every_slip_in_a_recovery_code_is_noticed() -> None:
    code = locks.write_recovery_code(locks.new_recovery_code())
    for at, letter in enumerate(code):
        if letter != "-":
            wrong = "Z" if letter != "Z" else "Y"
            assert locks.read_recovery_code(code[:at] + wrong + code[at + 1 :]) is None
    for wrong in ("", code[:-1], code + "0", code.replace("-", "_"), "U" * 40):
        assert locks.read_recovery_code(wrong) is None


@pytest.mark.parametrize("part", [-1, -(1 << 62), 1 << 64, float(1 << 63)])
def test_what_no_box_was_ever_sealed_as_is_damaged(part: Any) -> None:
    with pytest.raises(crypto.Damaged):
        crypto.identity("vrm/1/record", b"owner", part)


def test_an_identity_of_many_parts_takes_time_in_proportion_to_them() -> None:
    parts = [number if number % 2 else b"x" * 100 for number in range(200_000)]
    assert len(crypto.identity("k", *parts)) == 5 + 100_000 * (12 + 104)


def test_a_lock_that_there_is_not_is_tried_like_one_that_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every byte of what was said, and a box of the same length: what the clock could tell is the same."""
    kind, owner, lock, secret, called = "passphrase", b"o" * 16, b"l" * 16, b"s" * 32, []
    derive, open_box = crypto.derive, crypto.open_box
    monkeypatch.setattr(crypto, "derive", lambda *given: (called.append(given), derive(*given))[1])
    monkeypatch.setattr(crypto, "open_box", lambda *given: (called.append(given), open_box(*given))[1])
    locks._nobodys.cache_clear()
    locks.open_nobodys(kind, owner, lock, secret)
    (derived, (key, about, box)) = called
    assert derived == (secret, bytes(32), crypto.identity("vrm/1/kek", kind, owner, lock))
    assert (key, about) == (derive(*derived), crypto.identity("vrm/1/lock", kind, owner, lock, b""))
    assert box is not None
    assert len(box) == len(locks.make(kind, owner, lock, secret, bytes(32), b"", KEY))


def test_a_lock_opens_to_its_own_credential_and_to_no_other() -> None:
    said: dict[str, Any] = {
        "kind": "passkey",
        "owner": b"o" * 16,
        "lock": b"l" * 16,
        "secret": b"s" * 32,
        "pepper": b"p" * 32,
        "params": b"what stands beside it",
    }
    box = locks.make(**said, payload=b"the key it wraps")
    assert locks.open_lock(**said, box=box) == b"the key it wraps"
    wrong = {name: "session" if name == "kind" else value[:-1] + b"?" for name, value in said.items()}
    for name in said:
        with pytest.raises(crypto.Damaged):
            locks.open_lock(**{**said, name: wrong[name]}, box=box)
    with pytest.raises(crypto.Damaged):
        locks.open_lock(**{**said, "pepper": None}, box=box)
    with pytest.raises(crypto.Damaged):
        locks.open_lock(**{**said, "owner": said["lock"], "lock": said["owner"]}, box=box)


def test_what_stands_beside_a_passphrases_lock_is_its_cost_and_a_salt_of_its_own() -> None:
    one, other = (locks.passphrase_params(crypto.FLOOR) for _ in range(2))
    assert one[:12] == other[:12] == crypto.FLOOR.to_bytes() == bytes.fromhex("00010000 00000003 00000001")
    assert len(one) == len(other) == 28
    assert one[12:] != other[12:]
    for wrong in (one[:-1], one + b"\0", one[:12], b""):
        with pytest.raises(crypto.Damaged):
            locks.passphrase_secret("a lamp, a kettle, a map", wrong)


@pytest.mark.parametrize("length", [0, 1, 64, 300])
def test_what_stands_beside_a_passkeys_lock_is_read_as_it_was_written(length: int) -> None:
    credential, public = bytes(range(100, 200)) * 3, b"the public key"
    written = locks.passkey_params(credential[:length], public)
    assert written == length.to_bytes(2, "big") + credential[:length] + public
    assert locks.read_passkey_params(written) == (credential[:length], public)


def test_a_recovery_code_has_160_random_bits() -> None:
    codes = {locks.new_recovery_code() for _ in range(100)}
    assert len(codes) == 100
    assert {len(code) for code in codes} == {20}


def test_each_rung_of_the_ladder_costs_more_than_the_one_before_and_the_last_is_the_ceiling() -> None:
    rungs = [(cost.memory / 1024, cost.passes, cost.lanes) for cost in crypto.LADDER]
    assert rungs == [(64, 3, 1), (128, 3, 2), (256, 3, 2), (512, 3, 2), (1024, 3, 4)]
    assert crypto.LADDER[0] == crypto.FLOOR
    for cost in crypto.LADDER:
        assert crypto.Cost.from_bytes(cost.to_bytes()) == cost
    for raw in (b"", crypto.FLOOR.to_bytes()[:-1], crypto.FLOOR.to_bytes() + b"\0"):
        with pytest.raises(crypto.Damaged):
            crypto.Cost.from_bytes(raw)
