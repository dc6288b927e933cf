"""Names that lead nowhere. Pure.

Which keys name something is declared where the keys are (`gateway.settings.model`, `Refers`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.settings.findings import Finding, Subject
from gateway.settings.wording import suggestion_or_list

_SINGULAR = {
    "sites": "site",
    "inputs": "input",
    "endpoints": "endpoint",
    "talkgroups": "talkgroup",
    "groups": "group",
    "calendars": "calendar",
    "plans": "plan",
    "rotas": "rota",
}


MAX_HINTS = 50
"""Unknown names that get a hint; to look one up among thousands takes 10 ms (measured)."""


def check(subject: Subject) -> Iterator[Finding]:
    """Every reference to a name that its section does not have."""
    hints: dict[tuple[str, str], str] = {}
    for reference in subject.unknown:
        section = reference.mark.section
        what = f"there is no {_SINGULAR[section]} {reference.name!r}"
        if reference.mark.elsewhere:
            what += " in this gateway's configuration"
        asked = section, reference.name
        if asked not in hints and len(hints) < MAX_HINTS:
            hints[asked] = suggestion_or_list(reference.name, subject.names(section))
        hint = hints.get(asked, "")
        yield Finding(reference.loc, what, hint, warning=reference.mark.elsewhere)
