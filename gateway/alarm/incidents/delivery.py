"""When pages are sent again, until somebody has signed for them. Pure functions on page records.

Rules (contract, section 2 "Alarms and incidents"):

Rule 1. A page is sent at once, and with the same id again after 1, 2, 5, 5 ... s.
Rule 2. That ends with the receipt of that page, with its group's ack or decline, or with the
        incident. A newer page of the same group does not end it: it has its own receipt.
Rule 3. What could not be sent on time is sent once, late, and the next interval counts from then.
Rule 4. Of one group the newest `MAX_PAGES_PER_GROUP` pages are kept; the oldest goes. By then its
        group has been called by as many newer ones, which are never dropped for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from gateway.alarm.incidents.record import PageRecord

RESEND_AFTER = (1.0, 2.0, 5.0)
"""Seconds from each sending to the next; the last one repeats (contract)."""
MAX_PAGES_PER_GROUP = 8

Pages = tuple[PageRecord, ...]


def add(pages: Pages, page_id: str, group: str, level: int, now: float) -> tuple[Pages, PageRecord]:
    """A new page that is being sent at ``now``, and all pages with it."""
    page = PageRecord(id=page_id, group=group, level=level, sends=1, due=now + RESEND_AFTER[0])
    mine = [one.id for one in pages if one.group == group]
    gone = frozenset(mine[: max(len(mine) + 1 - MAX_PAGES_PER_GROUP, 0)])
    return (*(one for one in pages if one.id not in gone), page), page


def take_due(pages: Pages, now: float) -> tuple[Pages, Pages]:
    """All pages after the sendings of ``now``, and the ones that are to be sent."""
    sent: list[PageRecord] = []
    kept: list[PageRecord] = []
    for page in pages:
        one = page
        if page.due is not None and page.due <= now:
            wait = RESEND_AFTER[min(page.sends, len(RESEND_AFTER) - 1)]
            one = replace(page, sends=page.sends + 1, due=now + wait)
            sent.append(one)
        kept.append(one)
    return (tuple(kept), tuple(sent)) if sent else (pages, ())


def receive(pages: Pages, page_id: str) -> Pages:
    """A receipt: this page is not sent again."""
    return tuple(replace(one, due=None) if one.id == page_id else one for one in pages)


def stop(pages: Pages, groups: Iterable[str] | None = None) -> Pages:
    """No page of ``groups`` (None: of anybody) is sent again."""
    if groups is None:
        return tuple(replace(one, due=None) for one in pages)
    ended = frozenset(groups)
    return tuple(replace(one, due=None) if one.group in ended else one for one in pages)


def find(pages: Pages, page_id: str) -> PageRecord | None:
    """The page of that id, if it is kept."""
    return next((one for one in pages if one.id == page_id), None)


def newest(pages: Pages, group: str) -> PageRecord | None:
    """The page that called ``group`` last."""
    return next((one for one in reversed(pages) if one.group == group), None)


def deadline(pages: Pages) -> float | None:
    """When the next page is due, on `Moment.elapsed`."""
    return min((one.due for one in pages if one.due is not None), default=None)
