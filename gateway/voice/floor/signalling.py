"""The floor's messages of one talkgroup through the broker: on which topic and connection, in what form.

A FloorState is retained and goes by the control connection. A FloorRequest and a FloorAnswer go by the
voice connection, marked as what is dropped last. What is malformed is counted and told to nobody.
Decides nothing; used from the event loop only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gateway.errors import RemoteProtocolError
from gateway.link.incoming import Incoming
from gateway.moment import timestamp
from gateway.voice.floor import wire
from gateway.voice.floor.actions import Answer, Show, State, client_of
from gateway.voice.floor.participant_actions import Send
from gateway.voice.rtp import Token
from gateway.voice.talkgroup_ports import Surroundings

_LOGGER = logging.getLogger(__name__)


class Signalling:
    """One talkgroup's.

    ``requested(talker, send)`` is told what a member of another gateway, as ``<client>/<endpoint>``,
    asks for; ``answered(client, answer)`` what a controller answers to a member of ours;
    ``shown(client, show)`` what any gateway shows of the floor, None where it shows nothing more.
    """

    def __init__(
        self,
        talkgroup: str,
        around: Surroundings,
        *,
        requested: Callable[[str, Send], None],
        answered: Callable[[str, Answer], None],
        shown: Callable[[str, Show | None], None],
    ) -> None:
        self._talkgroup = talkgroup
        self._around = around
        self._requested = requested
        self._answered = answered
        self._shown = shown
        self._since: tuple[tuple[State, str | None, Token], str] | None = None

    def open(self) -> None:
        """Listen to the broker."""
        around, topics = self._around, self._around.topics
        around.control.subscribe(topics.floor(self._talkgroup, "+"), self._on_state)
        around.voice.subscribe(topics.request(self._talkgroup, "+"), self._on_request)
        around.voice.subscribe(topics.answer(self._talkgroup, around.gateway, "+"), self._on_answer)

    def close(self) -> None:
        """Listen no more."""
        around, topics = self._around, self._around.topics
        around.control.unsubscribe(topics.floor(self._talkgroup, "+"), self._on_state)
        around.voice.unsubscribe(topics.request(self._talkgroup, "+"), self._on_request)
        around.voice.unsubscribe(
            topics.answer(self._talkgroup, around.gateway, "+"), self._on_answer
        )

    # What goes out

    def show(self, show: Show | None) -> None:
        """Publish the floor as we control it; None clears it."""
        around = self._around
        payload = b"" if show is None else wire.state_to_bytes(show, self._since_of(show))
        around.control.set_retained(around.topics.floor(self._talkgroup, around.gateway), payload)

    def request(self, talker: str, send: Send) -> None:
        """Publish what a member of ours, as ``<client>/<endpoint>``, asks for."""
        around = self._around
        topic = around.topics.request(self._talkgroup, around.gateway)
        around.voice.publish(topic, wire.request_to_bytes(talker, send), voice=False)

    def answer(self, answer: Answer) -> None:
        """Publish what we answer as the controller."""
        around = self._around
        topic = around.topics.answer(self._talkgroup, client_of(answer.talker), around.gateway)
        around.voice.publish(topic, wire.answer_to_bytes(answer), voice=False)

    def _since_of(self, show: Show) -> str:
        key = (show.state, show.talker, show.token)
        if self._since is None or self._since[0] != key:
            self._since = (key, timestamp(time.time()))
        return self._since[1]

    # What comes in

    def _on_request(self, topic: str, payload: bytes) -> None:
        client = topic.rpartition("/")[2]
        if client == self._around.gateway:
            return
        try:
            talker, send = wire.request_from_bytes(client, payload)
        except RemoteProtocolError as error:
            self._malformed("request", client, error)
            return
        self._requested(talker, send)

    def _on_answer(self, topic: str, payload: bytes) -> None:
        client = topic.rpartition("/")[2]
        try:
            answer = wire.answer_from_bytes(payload)
        except RemoteProtocolError as error:
            self._malformed("answer", client, error)
            return
        self._answered(client, answer)

    def _on_state(self, incoming: Incoming) -> None:
        client = incoming.topic.rpartition("/")[2]
        show: Show | None = None
        try:
            if incoming.payload:
                show = wire.state_from_bytes(incoming.payload)
        except RemoteProtocolError as error:
            self._malformed("state", client, error)
            return
        self._shown(client, show)

    def _malformed(self, what: str, client: str, error: RemoteProtocolError) -> None:
        self._around.counters.add(f"floor.malformed.{what}")
        _LOGGER.debug("%s: %s of %s refused: %s", self._talkgroup, what, client, error)
