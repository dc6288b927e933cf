"""Between the floor's values and the payloads of FloorRequest, FloorAnswer and FloorState. Pure codec."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gateway.errors import RemoteProtocolError
from gateway.link.messages import FloorAnswer, FloorRequest, FloorState, decode, encode
from gateway.voice.floor.actions import Answer, Op, Show, State, client_of
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.participant_actions import Send
from gateway.voice.rtp import Token

T = TypeVar("T")


def request_to_bytes(talker: str, send: Send) -> bytes:
    """The FloorRequest of a member."""
    return encode(
        FloorRequest(
            op=send.op,
            talker=talker,
            priority=send.priority,
            emergency=send.emergency,
            seq=send.seq,
        )
    )


def request_from_bytes(client: str, payload: bytes) -> tuple[str, Send]:
    """The talker and what it asks, of a FloorRequest that ``client`` has published.

    Raises:
        RemoteProtocolError: it is none, or it asks for a talker of somebody else.
    """
    request = decode(FloorRequest, payload)
    if client_of(request.talker) != client:
        raise RemoteProtocolError(f"{client} asks for {request.talker}")
    return request.talker, Send(request.op, request.seq, request.priority, request.emergency)


def answer_to_bytes(answer: Answer) -> bytes:
    """The FloorAnswer for ``answer``."""
    unset, cause = msgspec.UNSET, answer.cause
    return encode(
        FloorAnswer(
            op=answer.op.value,
            talker=answer.talker,
            seq=answer.seq,
            term=answer.token.term,
            grant=answer.token.grant,
            tot_s=unset if answer.tot is None else answer.tot,
            cause=unset if cause is None else int(cause),
            cause_text=unset if cause is None else cause.text,
            position=unset if answer.position is None else answer.position,
            retry_after_s=unset if answer.retry_after is None else answer.retry_after,
        )
    )


def answer_from_bytes(payload: bytes) -> Answer:
    """The answer in a FloorAnswer; a cause that we do not know is ``OTHER``.

    Raises:
        RemoteProtocolError: it is none.
    """
    message = decode(FloorAnswer, payload)
    op = Op(message.op)
    return Answer(
        op=op,
        talker=message.talker,
        seq=message.seq,
        token=Token(message.term, message.grant),
        tot=_given(message.tot_s),
        cause=_cause(op, _given(message.cause)),
        position=_given(message.position),
        retry_after=_given(message.retry_after_s),
    )


def state_to_bytes(show: Show, since: str) -> bytes:
    """The FloorState for ``show``; ``since`` as RFC 3339."""
    return encode(
        FloorState(
            state=show.state.value,
            talker=show.talker,
            priority=show.priority,
            emergency=show.emergency,
            term=show.token.term,
            grant=show.token.grant,
            since=since,
            queue=show.queue,
        )
    )


def state_from_bytes(payload: bytes) -> Show:
    """What a FloorState shows.

    Raises:
        RemoteProtocolError: it is none.
    """
    message = decode(FloorState, payload)
    return Show(
        state=State(message.state),
        talker=message.talker,
        priority=message.priority,
        emergency=message.emergency,
        token=Token(message.term, message.grant),
        queue=message.queue,
    )


def _cause(op: Op, number: int | None) -> Deny | Revoke | None:
    try:
        if op is Op.DENIED:
            return Deny(number or Deny.OTHER)
        return Revoke(number or Revoke.OTHER) if op is Op.REVOKED else None
    except ValueError:
        return Deny.OTHER if op is Op.DENIED else Revoke.OTHER


def _given(value: T | msgspec.UnsetType | None) -> T | None:
    """What a field says that may be absent or null."""
    return None if isinstance(value, msgspec.UnsetType) else value
