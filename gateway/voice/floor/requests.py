"""What a FloorRequest asks of a talkgroup's control, from a member of ours or through the broker. Pure."""

from __future__ import annotations

from gateway.voice.floor.actions import Request
from gateway.voice.floor.control import Control
from gateway.voice.floor.control_actions import Action
from gateway.voice.floor.participant_actions import Send


def requested(control: Control, talker: str, send: Send, now: float) -> list[Action]:
    """``talker`` (``<client>/<endpoint>``) has sent ``send``."""
    match send.op:
        case "request":
            request = Request(talker, send.priority, send.emergency, send.seq)
            return control.asked(request, now)
        case "queue_position":
            return control.position_asked(talker, send.seq, now)
        case "ack":
            return control.acknowledged(talker, now)
        case _:
            return control.gave_back(talker, now)
