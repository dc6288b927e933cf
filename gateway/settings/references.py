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


def check(subject: Subject) -> Iterator[Finding]:
    """Every reference to a name that its section does not have."""
    for reference in subject.unknown:
        section = reference.mark.section
        what = f"there is no {_SINGULAR[section]} {reference.name!r}"
        if reference.mark.elsewhere:
            what += " in this gateway's configuration"
        hint = suggestion_or_list(reference.name, subject.names(section))
        yield Finding(reference.loc, what, hint, warning=reference.mark.elsewhere)
