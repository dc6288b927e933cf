"""The topic table of the contract, section 1: its rows, building and parsing. Pure.

The last level of every topic is its publisher's own name (under ``gateway/`` it is the level
after), which is what lets a broker's ACL give each client its own leaves and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: ``template`` is the topic below the root, with ``{names}``.

    ``owner`` is the name in it that must be the publisher's own. ``expiry`` is the message expiry
    in words, None where it has none.
    """

    name: str
    template: str
    owner: str
    qos: int
    retained: bool
    payload: str
    publisher: str
    expiry: str | None = None

    def pattern(self, owner: str, other: str = "+") -> str:
        """The template as a filter: ``owner`` for the publisher's level, ``other`` for the rest."""
        return "/".join(
            level if not level.startswith("{") else owner if level[1:-1] == self.owner else other
            for level in self.template.split("/")
        )


TABLE = (
    Row(
        name="status",
        template="gateway/{gateway}/status",
        owner="gateway",
        qos=1,
        retained=True,
        payload="Status",
        publisher="each gateway; also its will",
    ),
    Row(
        name="endpoint",
        template="gateway/{gateway}/endpoint/{endpoint}",
        owner="gateway",
        qos=1,
        retained=True,
        payload="EndpointState",
        publisher="each gateway",
    ),
    Row(
        name="voice",
        template="talkgroup/{talkgroup}/voice/{client}",
        owner="client",
        qos=0,
        retained=False,
        payload="RtpPacket",
        publisher="the talker's client",
        expiry="max_age_s of the talkgroup, rounded up",
    ),
    Row(
        name="request",
        template="talkgroup/{talkgroup}/request/{client}",
        owner="client",
        qos=0,
        retained=False,
        payload="FloorRequest",
        publisher="whoever wants to talk",
    ),
    Row(
        name="floor",
        template="talkgroup/{talkgroup}/floor/{client}",
        owner="client",
        qos=1,
        retained=True,
        payload="FloorState",
        publisher="the floor controller",
    ),
    Row(
        name="answer",
        template="talkgroup/{talkgroup}/answer/{asker}/{client}",
        owner="client",
        qos=0,
        retained=False,
        payload="FloorAnswer",
        publisher="the floor controller",
    ),
    Row(
        name="alarm",
        template="alarm/{gateway}",
        owner="gateway",
        qos=1,
        retained=False,
        payload="AlarmEvent",
        publisher="the gateway that sensed it",
    ),
    Row(
        name="page",
        template="group/{group}/page/{client}",
        owner="client",
        qos=1,
        retained=False,
        payload="Page",
        publisher="the incident's owner",
        expiry="60 s",
    ),
    Row(
        name="action",
        template="incident/{incident}/action/{client}",
        owner="client",
        qos=1,
        retained=False,
        payload="Action",
        publisher="a person's client, or a machine",
    ),
    Row(
        name="picture",
        template="incident/{incident}/picture/{client}",
        owner="client",
        qos=1,
        retained=True,
        payload="Picture",
        publisher="the gateway of the camera",
        expiry="86,400 s once the incident is closed",
    ),
    Row(
        name="incident",
        template="incident/{incident}/state/{client}",
        owner="client",
        qos=1,
        retained=True,
        payload="IncidentState",
        publisher="the incident's owner",
        expiry="86,400 s once the incident is closed",
    ),
    Row(
        name="announced",
        template="talkgroup/{talkgroup}/announced/{client}",
        owner="client",
        qos=1,
        retained=False,
        payload="Announced",
        publisher="the gateway that announces a page",
        expiry="60 s",
    ),
    Row(
        name="patch",
        template="patch/{patch}/{client}",
        owner="client",
        qos=1,
        retained=True,
        payload="PatchState",
        publisher="the gateway at which talkgroups were patched by hand",
        expiry="until the patch ends",
    ),
    Row(
        name="handover",
        template="gateway/{gateway}/handover/{incident}",
        owner="gateway",
        qos=1,
        retained=True,
        payload="Handover",
        publisher="the incident's owner, for its standby",
    ),
    Row(
        name="figures",
        template="gateway/{gateway}/figures",
        owner="gateway",
        qos=1,
        retained=True,
        payload="AlarmFigures",
        publisher="each gateway",
    ),
    Row(
        name="journal",
        template="gateway/{gateway}/journal",
        owner="gateway",
        qos=1,
        retained=True,
        payload="JournalHead",
        publisher="each gateway",
    ),
    Row(
        name="presence",
        template="presence/{client}",
        owner="client",
        qos=1,
        retained=True,
        payload="Presence",
        publisher="a responder's client; an empty one is its will",
        expiry="three times interval_s",
    ),
    Row(
        name="ping",
        template="gateway/{gateway}/ping/{other}",
        owner="gateway",
        qos=1,
        retained=False,
        payload="Ping",
        publisher="a gateway that supervises another",
        expiry="interval_s",
    ),
    Row(
        name="alive",
        template="gateway/{gateway}/alive",
        owner="gateway",
        qos=1,
        retained=False,
        payload="Alive",
        publisher="each gateway that is asked",
        expiry="1 s",
    ),
    Row(
        name="cap",
        template="cap/{gateway}",
        owner="gateway",
        qos=1,
        retained=False,
        payload="CapAlert",
        publisher="each gateway that has `neighbours: cap`",
    ),
    Row(
        name="cloudevents",
        template="cloudevents/{gateway}",
        owner="gateway",
        qos=1,
        retained=False,
        payload="CloudEvent",
        publisher="each gateway that has `neighbours: cloudevents`",
    ),
)
"""Every topic there is; the embedded broker's ACL and docs/asyncapi.yaml are made from it."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics under one ``root``. Every method returns a topic; a filter takes ``+`` as a name."""

    root: str = "baiying"

    def status(self, gateway: str) -> str:
        return f"{self.root}/gateway/{gateway}/status"

    def endpoint(self, gateway: str, endpoint: str) -> str:
        return f"{self.root}/gateway/{gateway}/endpoint/{endpoint}"

    def voice(self, talkgroup: str, client: str) -> str:
        return f"{self.root}/talkgroup/{talkgroup}/voice/{client}"

    def request(self, talkgroup: str, client: str) -> str:
        return f"{self.root}/talkgroup/{talkgroup}/request/{client}"

    def floor(self, talkgroup: str, client: str) -> str:
        return f"{self.root}/talkgroup/{talkgroup}/floor/{client}"

    def answer(self, talkgroup: str, asker: str, client: str) -> str:
        return f"{self.root}/talkgroup/{talkgroup}/answer/{asker}/{client}"

    def alarm(self, gateway: str) -> str:
        return f"{self.root}/alarm/{gateway}"

    def page(self, group: str, client: str) -> str:
        return f"{self.root}/group/{group}/page/{client}"

    def action(self, incident: str, client: str) -> str:
        return f"{self.root}/incident/{incident}/action/{client}"

    def picture(self, incident: str, client: str) -> str:
        return f"{self.root}/incident/{incident}/picture/{client}"

    def incident(self, incident: str, client: str) -> str:
        return f"{self.root}/incident/{incident}/state/{client}"

    def announced(self, talkgroup: str, client: str) -> str:
        return f"{self.root}/talkgroup/{talkgroup}/announced/{client}"

    def patch(self, patch: str, client: str) -> str:
        return f"{self.root}/patch/{patch}/{client}"

    def handover(self, gateway: str, incident: str) -> str:
        return f"{self.root}/gateway/{gateway}/handover/{incident}"

    def figures(self, gateway: str) -> str:
        return f"{self.root}/gateway/{gateway}/figures"

    def journal(self, gateway: str) -> str:
        return f"{self.root}/gateway/{gateway}/journal"

    def presence(self, client: str) -> str:
        return f"{self.root}/presence/{client}"

    def ping(self, gateway: str, other: str) -> str:
        return f"{self.root}/gateway/{gateway}/ping/{other}"

    def alive(self, gateway: str) -> str:
        return f"{self.root}/gateway/{gateway}/alive"

    def cap(self, gateway: str) -> str:
        return f"{self.root}/cap/{gateway}"

    def cloudevents(self, gateway: str) -> str:
        return f"{self.root}/cloudevents/{gateway}"

    def levels(self, topic: str) -> tuple[str, ...] | None:
        """The levels below the root, or None where the topic is not under it or a level is no identifier."""
        prefix = self.root + "/"
        if not topic.startswith(prefix):
            return None
        levels = tuple(topic[len(prefix) :].split("/"))
        return levels if all(_IDENTIFIER.fullmatch(level) for level in levels) else None
