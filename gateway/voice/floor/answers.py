"""The answers of a floor controller: which field says what, in one place. Pure."""

from __future__ import annotations

from gateway.voice.floor.actions import Answer, FloorOptions, Op, Request
from gateway.voice.floor.burst import Burst
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.rtp import Token


def granted(burst: Burst, options: FloorOptions, now: float) -> Answer:
    """Floor Granted: under which token, and with how much of the talk limit left."""
    request = burst.request
    left = burst.left(options.tot, now)
    return Answer(
        op=Op.GRANTED, talker=request.talker, seq=request.seq, token=burst.token, tot=left
    )


def revoked(burst: Burst, cause: Revoke, options: FloorOptions) -> Answer:
    """Floor Revoke: why, and after a time-out how long the penalty is."""
    request = burst.request
    return Answer(
        op=Op.REVOKED,
        talker=request.talker,
        seq=request.seq,
        token=burst.token,
        cause=cause,
        retry_after=options.retry_after if cause is Revoke.MEDIA_BURST_TOO_LONG else None,
    )


def not_permitted(talker: str, token: Token) -> Answer:
    """Floor Revoke for whom sends media without a grant, under ``token``."""
    return Answer(op=Op.REVOKED, talker=talker, seq=0, token=token, cause=Revoke.NO_PERMISSION)


def denied(
    request: Request, cause: Deny, token: Token, *, retry_after: float | None = None
) -> Answer:
    """Floor Deny; ``token`` is the newest grant."""
    return Answer(
        op=Op.DENIED,
        talker=request.talker,
        seq=request.seq,
        token=token,
        cause=cause,
        retry_after=retry_after,
    )


def position(request: Request, place: int, token: Token) -> Answer:
    """Floor Queue Position Info: the place in the queue, from 1."""
    return Answer(op=Op.QUEUED, talker=request.talker, seq=request.seq, token=token, position=place)
