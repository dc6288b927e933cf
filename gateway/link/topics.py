"""The topic table of the contract, section 1: building and parsing. Pure.

The last level of every topic is its publisher's own name (under ``gateway/`` it is the level
after), which is what lets a broker's ACL give each client its own leaves and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


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

    def levels(self, topic: str) -> tuple[str, ...] | None:
        """The levels below the root, or None where the topic is not under it or a level is no identifier."""
        prefix = self.root + "/"
        if not topic.startswith(prefix):
            return None
        levels = tuple(topic[len(prefix) :].split("/"))
        return levels if all(_IDENTIFIER.fullmatch(level) for level in levels) else None
