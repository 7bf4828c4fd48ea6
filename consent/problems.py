"""Every refusal of the vendors' API: its code, its status, what it means and what a vendor's program does about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from vault.errors import N_

Code = Literal[
    "invalid_token",
    "invalid_dpop_proof",
    "paused",
    "not_granted",
    "not_found",
    "wrong_method",
    "over_limit",
    "used_up",
    "start_again",
    "invalid",
    "too_large",
    "key_reused",
    "busy",
    "damaged",
    "failed",
]

# What became of a call, in the words of her log, and the code with which it was refused.
OUTCOMES: dict[str, Code | None] = {
    "allowed": None,
    "left": None,
    "left again": None,
    "paused": "paused",
    "not_granted": "not_granted",
    "not_found": "not_found",
    "start_again": "start_again",
    "over_limit": "over_limit",
    "too many calls": "over_limit",
    "used_up": "used_up",
    "invalid": "invalid",
    "key_reused": "key_reused",
    "wrong proof": "invalid_dpop_proof",
    "replayed proof": "invalid_dpop_proof",
    "damaged rows": "damaged",
    "damaged inbox": "damaged",
    "damaged": None,  # the entry itself: nobody can read any more what became of the call
}


class Problem(NamedTuple):
    """One refusal. The title is sent with it; what to do about it stands at its address, `/problems/<code>`."""

    status: int
    title: str
    remedy: str


PROBLEMS: dict[Code, Problem] = {
    "invalid_token": Problem(
        401,
        N_("The access token is not valid: it is unknown, has run out, or the permission has ended."),
        N_(
            "Refresh it. If the token endpoint answers invalid_grant, the permission is over: delete what you have "
            "read. Only a new consent helps."
        ),
    ),
    "invalid_dpop_proof": Problem(
        401,
        N_("The DPoP proof is not acceptable."),
        N_(
            "detail says which check failed. Sign a new proof for every call, retries too, with the key that the token "
            "is bound to, the right time, method and address, and the hash of the token."
        ),
    ),
    "paused": Problem(
        403,
        N_("The owner has paused this permission."),
        N_("Keep the connection, use nothing of it meanwhile, and try again another day. She may let it go on."),
    ),
    "not_granted": Problem(
        403,
        N_("The owner has not given this."),
        N_("Ask /vendor/v1/grant what she has given. She may have taken something out: drop what is gone."),
    ),
    "not_found": Problem(
        404,
        N_("There is nothing at this address."),
        N_("Look at the address: a collection that does not exist, or a deposit that is not yours."),
    ),
    "wrong_method": Problem(
        405,
        N_("This address takes another method."),
        N_("Allow says which. Reading is GET, leaving something is POST, and nothing else is done here."),
    ),
    "over_limit": Problem(
        429,
        N_("There may be no more of this now."),
        N_(
            "Wait as many seconds as Retry-After says. Her limit stands in /vendor/v1/grant, and her inbox holds 200. "
            "Nobody calls more than 3000 times in a minute under one permission."
        ),
    ),
    "used_up": Problem(
        403,
        N_("The owner has allowed this so many times, and no more."),
        N_("It does not come back by waiting. Ask her again if you need to."),
    ),
    "key_reused": Problem(
        422,
        N_("This Idempotency-Key has been used for something else."),
        N_("Take a new key for a new deposit. The same key is for sending the same content once more."),
    ),
    "start_again": Problem(
        410,
        N_("The permission has changed. Drop what you have and read again from the start."),
        N_("Read without `after`. What does not come any more is not yours to keep."),
    ),
    "invalid": Problem(
        400,
        N_("A parameter cannot be read."),
        N_("detail names it. The reference says what each one may be; repeating the call changes nothing."),
    ),
    "too_large": Problem(
        413,
        N_("This is more than can be taken at once."),
        N_("A deposit is one record of up to 16 KiB."),
    ),
    "damaged": Problem(
        500,
        N_("Something in the vault is damaged. The owner can see that in her log."),
        N_("Nothing that a vendor could do. Try again another day."),
    ),
    "failed": Problem(
        500,
        N_("The vault stumbled."),
        N_("Try again in a moment. If it goes on, tell whoever runs the vault the request_id: their log has it."),
    ),
    "busy": Problem(
        503,
        N_("The vault is busy just now. Try again in a moment."),
        N_("Wait as many seconds as Retry-After says and send it again, a deposit under the same Idempotency-Key."),
    ),
}
