"""Who is supervised, and who is to be tested how often: from settings to facts, and their check. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.alarm.supervision.supervision import Name, Part
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import Settings
from gateway.settings.wording import suggestion_or_list

DAY = 86_400.0


def intervals_of(settings: Settings) -> dict[Name, float]:
    """Who is expected to be heard by this gateway, each within so many seconds."""
    watched = settings.supervision
    parts = (
        (Part.INPUT, watched.inputs),
        (Part.ENDPOINT, watched.endpoints),
        (Part.GATEWAY, watched.gateways),
        (Part.RESPONDER, watched.responders),
    )
    return {
        Name(part, name): heartbeat.heartbeat_s
        for part, named in parts
        for name, heartbeat in named.items()
        # A district's shared file lists all of its gateways.
        if (part, name) != (Part.GATEWAY, settings.gateway)
    }


def speaks_for_itself(settings: Settings, endpoint: str) -> bool:
    """Whether an endpoint is heard by its own signals, and not by the state of its devices."""
    found = settings.endpoints.get(endpoint)
    return found is not None and found.account is not None


def due_within(settings: Settings) -> dict[str, float | None]:
    """Every endpoint that raises, with the seconds within which it is to be tested; None: never."""
    usual = settings.testing.every_days
    found = {}
    for name, endpoint in settings.endpoints.items():
        if endpoint.input is not None:
            days = endpoint.test_every_days or usual
            found[name] = None if days is None else days * DAY
    return found


def check(subject: Subject) -> Iterator[Finding]:
    """Supervised inputs and endpoints that there are not, and tests of what raises nothing."""
    watched = subject.settings.supervision
    for section, named in (("inputs", watched.inputs), ("endpoints", watched.endpoints)):
        if (section,) in subject.validated.damaged:
            continue
        known = subject.names(section)
        for name in named:
            if name not in known:
                what = f"there is no {section.removesuffix('s')} {name!r}"
                hint = suggestion_or_list(name, known)
                yield Finding(("supervision", section, name), what, hint)
    for name, endpoint in subject.settings.endpoints.items():
        if endpoint.test_every_days is not None and endpoint.input is None:
            what = "an endpoint without input raises nothing that could be tested"
            yield Finding(("endpoints", name, "test_every_days"), what, "add input:", warning=True)
