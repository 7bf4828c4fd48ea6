"""First run: a name, a passphrase, and a recovery kit that she has to show she holds."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from vault import attempts, crypto, sessions, set_up
from vault.errors import N_, Busy, Invalid, TooManyTries, VaultError
from vault.kit import vault_number
from vault.locks import GROUPS, LOOKALIKES
from vault.opened import OpenVault
from vault.pages import language, session
from vault.pages.errors import wait_for
from vault.pages.session import server
from vault.strength import Strength, strength

pages = Blueprint("setup", __name__)

HANDLE = re.compile(r"[\w][\w.-]{1,39}")
_PART = r"[^\s@<>()\[\],;:\"\\\x00-\x1f\x7f]"
MAIL = re.compile(rf"{_PART}{{1,64}}@{_PART}{{2,}}")
CODE = re.compile(r"(?:[0-9A-Z]{5}[-–— ]){7}[0-9A-Z]{5}")
NAME_NEEDED = N_("This is needed, up to 100 letters.")
NOT_AN_ADDRESS = N_("Write it like ada@example.org.")
LABELS = {
    "name": N_("What should we call you?"),
    "handle": N_("A short name for this vault"),
    "notice": N_("E-mail address for notices"),
    "passphrase": N_("Passphrase"),
}


@pages.route("/setup/<token>", methods=["GET", "POST"])
def first(token: str) -> Response:
    """The one-time page whose address the terminal showed."""
    if not _is_token(token):
        raise NotFound
    return _set_up(url_for("setup.first", token=token), token=token, first=True)


@pages.route("/setup", methods=["GET", "POST"])
def another() -> Response:
    """Another vault, where this server's settings allow it."""
    if server().settings.sign_up != "open":
        raise NotFound
    return _set_up(url_for("setup.another"), token="", first=False)


@pages.post("/setup/strength")
def meter() -> Response:
    """How strong what is being typed is, as a fragment. Only for somebody who may choose a passphrase.

    Others hear nothing: the last letters may be asked about when the form has gone already, and that is no error.
    """
    vault = session.peek()
    if vault is None and server().settings.sign_up != "open" and not _is_token(request.form.get("token", "")):
        return Response(status=204)
    known = [vault.name, str(vault.settings.get("handle", ""))] if vault else _known(request.form)
    typed = request.form.get("passphrase") or request.form.get("new") or ""
    return make_response(render_template("strength.html", found=strength(typed, known) if typed else None))


def _is_token(token: str) -> bool:
    address = set_up.set_up_address(server())
    return address is not None and crypto.same(f"/setup/{token}".encode(), address.encode())


def _known(form: Mapping[str, str]) -> list[str]:
    words = [form.get(name, "").strip() for name in ("name", "handle", "notice")]
    return [part for word in words for part in {word, *re.split(r"[\s@.]+", word)} if len(part) > 1]


def _set_up(address: str, *, token: str, first: bool) -> Response:
    if request.method == "GET":
        return _form(address, token)
    found = strength(request.form.get("passphrase", ""), _known(request.form))
    try:
        attempts.admit(server(), setting_up=session.address())
        _check(found)
        keyring = set_up.set_up(
            server(),
            handle=request.form["handle"].strip(),
            name=request.form["name"].strip(),
            passphrase=request.form["passphrase"],
            notice=request.form.get("notice", "").strip() or None,
            first=first,
            language=language.chosen(),
        )
    except Invalid as error:
        return _form(address, token, error, found)
    except (Busy, TooManyTries) as error:
        return _form(address, token, error)
    string, _vault = sessions.begin(server(), keyring, user_agent=request.user_agent.string)
    return session.keep(make_response(redirect(url_for("setup.kit"), 303)), string)


def _check(found: Strength) -> None:
    """Raise Invalid for what this form does not take."""
    typed = {name: request.form.get(name, "").strip() for name in LABELS}
    wrong: dict[str, list[str]] = {}
    if not 1 <= len(typed["name"]) <= 100:
        wrong["name"] = [NAME_NEEDED]
    if not HANDLE.fullmatch(typed["handle"]):
        wrong["handle"] = [N_("Two to forty letters or digits; dots and hyphens may stand between them.")]
    if typed["notice"] and (len(typed["notice"]) > 254 or not MAIL.fullmatch(typed["notice"])):
        wrong["notice"] = [N_("Write it like ada@example.org, or leave it empty.")]
    if not found.good:
        wrong["passphrase"] = [found.sentence]
    if wrong:
        raise Invalid(wrong)


def _form(address: str, token: str, error: VaultError | None = None, found: Strength | None = None) -> Response:
    fields = error.fields if isinstance(error, Invalid) else {}
    wrong = [(name, gettext(LABELS[name]), gettext(each)) for name in fields for each in fields[name]]
    shown = render_template(
        "setup.html",
        address=address,
        token=token,
        mails=bool(server().settings.smtp_url),
        typed=request.form,
        error=error,
        wrong=wrong,
        errors={name: [gettext(each) for each in sentences] for name, sentences in fields.items()},
        found=found if request.form.get("passphrase") else None,
    )
    response = make_response(shown, error.status if error else 200)
    response.headers.update(wait_for(error) if error else {})
    return response


@pages.route("/setup/kit", methods=["GET", "POST"])
@session.unlocked
def kit() -> Response:
    """The recovery kit, until she has shown that she has it. Everything else waits for that."""
    vault = session.vault()
    if "recovery" not in vault.settings:
        return make_response(redirect(url_for("home.home"), 303))
    asked = asked_groups(vault)
    if request.method == "POST":
        there = url_for("security.security", notice="kit") if "renewed" in vault.settings else "/?welcome"
        if set_up.confirm_recovery_code(vault, _given(asked)):
            return make_response(redirect(there, 303))
        return make_response(_kit(vault, asked, refused=True), 422)
    return make_response(_kit(vault, asked))


def _kit(vault: OpenVault, asked: tuple[int, int], *, refused: bool = False) -> str:
    groups = str(vault.settings["recovery"]).split("-")
    return render_template(
        "kit.html", groups=groups, asked=asked, refused=refused, renewed="renewed" in vault.settings, **_printed(vault)
    )


def _printed(vault: OpenVault) -> dict[str, str]:
    return {
        "address": server().settings.issuer,
        "number": vault_number(vault.owner_id),
        "handle": str(vault.settings.get("handle", "")),
    }


@pages.get("/setup/kit/recovery-kit.txt")
def kit_file() -> Response:
    """The kit as a plain text file, while its page still shows it."""
    vault = session.vault()
    if "recovery" not in vault.settings:
        raise NotFound
    text = render_template("kit.txt", code=vault.settings["recovery"], **_printed(vault))
    response = make_response(text.replace("\r\n", "\n"))
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="recovery-kit.txt"'
    return response


def asked_groups(vault: OpenVault) -> tuple[int, int]:
    """Which two groups of the code this session asks for; the same ones each time it asks."""
    drawn = crypto.tag(server().keys.tag, "recovery groups", vault.session_id)
    one = drawn[0] % GROUPS
    other = (one + 1 + drawn[1] % (GROUPS - 1)) % GROUPS
    return min(one, other), max(one, other)


def _given(asked: tuple[int, int]) -> dict[int, str]:
    """The groups she typed, or all of those in the file she gave back."""
    upload = request.files.get("file")
    if upload is not None and upload.filename:
        return dict(enumerate(re.split(r"[-–— ]", code_in(upload.read(65_536)) or "")))
    return {at: request.form.get(f"group-{at + 1}", "") for at in asked}


def code_given() -> str:
    """The recovery code of a form that takes it typed, or as the saved file."""
    typed, upload = request.form.get("code", ""), request.files.get("file")
    if typed.strip() or upload is None:
        return typed
    return code_in(upload.read(65_536)) or ""


def code_in(raw: bytes) -> str | None:
    """The recovery code in a saved kit; None if there is none."""
    found = CODE.search(raw.decode("utf-8", "replace").upper().translate(LOOKALIKES))
    return found[0] if found else None
