"""A report as one self-contained HTML page: figures, tables, and plots drawn as SVG. Pure.

No script, no font and nothing else is fetched: the page can be archived, mailed and printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from gateway.alarm.reports.figures import CLOSED_TARGET, Figures, month_of, rank
from gateway.alarm.reports.incidents import IncidentFigures
from gateway.alarm.reports.report import Report
from gateway.moment import timestamp

_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: #1b1f24;
  max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.about { color: #57606a; margin-top: .2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; }
.tile { border: 1px solid #d0d7de; border-radius: .4rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.5rem; } .tile.bad b { color: #b3261e; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e5e9ee; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #8c959f; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: #57606a; }
figure { margin: 1rem 0; } figcaption { color: #57606a; }
@media print { body { margin: 0; max-width: none; } h2, figure, tr { break-inside: avoid; } }
"""

_CLOCKS = ("received", "acked", "en_route", "arrived", "handled", "closed")
_WORDS = {
    "received": "first receipt",
    "acked": "first ack",
    "en_route": "first en route",
    "arrived": "first on scene",
    "handled": "first handled",
    "closed": "closed",
}


def page(made: Report, source: str) -> str:
    """The whole document; ``source`` names the journal that it was made from."""
    parts = [
        _tiles(made),
        _plots(made),
        _section("Incidents", made.real),
        _section("Drills", made.drills) if made.drills.incidents else "",
        _trend(made.drill_trend),
        *(_division(dimension, parts) for dimension, parts in made.by.items()),
        _availability(made),
        _busiest(made),
        _open(made.incidents),
    ]
    period = f"{timestamp(made.since)} to {timestamp(made.until)}"
    about = f"{period}, from {made.rows} rows of {escape(source)}"
    if made.unreadable:
        about += f"; {made.unreadable} rows cannot be read and are left out"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Baiying report {escape(period)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>百应 Baiying report</h1>\n<p class="about">{about}. '
        "Every figure can be computed again from that journal.</p>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>"
    )


def _tiles(made: Report) -> str:
    real = made.real
    arrived = real.clocks.get("arrived")
    tiles = [
        ("incidents", str(real.incidents), False),
        (
            "closed with a disposition",
            _percent(real.closed_share),
            real.closed_share is not None and real.closed_share < CLOSED_TARGET,
        ),
        (
            "on scene, median",
            f"{arrived.median:.1f} s" if arrived else "-",
            arrived is not None and arrived.target is not None and arrived.median > arrived.target,
        ),
        ("breaches", str(real.breaches), real.breaches > 0),
        ("precision", _percent(real.precision), False),
        ("button to person", _percent(made.availability.figure, 3), False),
        ("drills", str(made.drills.incidents), False),
        ("alarms in 10 min, peak", str(made.rates.peak), made.rates.floods > 0),
    ]
    body = "".join(
        f'<div class="tile{" bad" if bad else ""}"><b>{escape(value)}</b>{escape(name)}</div>'
        for name, value, bad in tiles
    )
    return f'<div class="tiles">{body}</div>'


def _plots(made: Report) -> str:
    real = [one for one in made.incidents if not one.drill]
    if not real:
        return ""
    months = Counter(month_of(one.raised) for one in real)
    hours = Counter(int(one.raised % 86_400 // 3600) for one in real)
    return (
        "<h2>Over time</h2>"
        + _bars("Incidents by month (UTC)", [(name, months[name]) for name in sorted(months)])
        + _bars(
            "Incidents by hour of day (UTC)", [(f"{hour:02d}", hours[hour]) for hour in range(24)]
        )
        + _curves("Share of incidents that were so far within so many seconds", real)
    )


def _bars(title: str, values: Sequence[tuple[str, int]]) -> str:
    """A bar chart; the numbers are text too, for whoever cannot see the bars."""
    width, height, foot = 760.0, 150.0, 18.0
    top = max((count for _, count in values), default=0) or 1
    step = min(width / max(len(values), 1), 90.0)
    marks = []
    for index, (name, count) in enumerate(values):
        tall = (height - 20) * count / top
        x, y = index * step, height - tall
        marks.append(
            f'<rect x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}"'
            f' height="{tall:.1f}" fill="#2f6fdf"><title>{escape(name)}: {count}</title></rect>'
            f'<text x="{x + step / 2:.1f}" y="{height + 13:.1f}" text-anchor="middle">{escape(name)}</text>'
        )
        if count:
            marks.append(
                f'<text x="{x + step / 2:.1f}" y="{y - 4:.1f}" text-anchor="middle">{count}</text>'
            )
    return _figure(title, width, height + foot, marks)


def _curves(title: str, incidents: Sequence[IncidentFigures]) -> str:
    """How many were acked, on scene and closed, against the seconds since they were raised."""
    width, height, left, foot = 760.0, 220.0, 36.0, 20.0
    shown = {"acked": "#2f6fdf", "arrived": "#c2410c", "closed": "#15803d"}
    took = {
        stage: sorted(
            seconds for one in incidents if one.timed and (seconds := one.took(stage)) is not None
        )
        for stage in shown
    }
    every = sorted(seconds for found in took.values() for seconds in found)
    if not every:
        return ""
    # The slowest twentieth is cut off: one forgotten case would flatten everything else.
    longest = max(rank(every, 0.95), 1.0)
    total = sum(one.timed for one in incidents)

    def point(seconds: float, share: float) -> str:
        x = left + (width - left - 90) * min(seconds / longest, 1.0)
        return f"{x:.1f},{height - (height - 12) * share:.1f}"

    marks = [
        f'<text x="{left - 6:.0f}" y="{height - (height - 12) * share + 4:.1f}" text-anchor="end">'
        f"{share:.0%}</text>"
        for share in (0.0, 0.5, 1.0)
    ]
    marks.append(
        f'<line x1="{left}" y1="{height}" x2="{width - 90}" y2="{height}" stroke="#8c959f"/>'
    )
    for fraction in (0.25, 0.5, 0.75, 1.0):
        x = left + (width - left - 90) * fraction
        marks.append(
            f'<text x="{x:.1f}" y="{height + 14:.1f}" text-anchor="middle">{longest * fraction:.0f} s</text>'
        )
    for place, (stage, colour) in enumerate(shown.items()):
        points = [point(0.0, 0.0)]
        for number, seconds in enumerate(took[stage], 1):
            points += [point(seconds, (number - 1) / total), point(seconds, number / total)]
            if seconds > longest:
                break
        marks.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{width - 84:.0f}" y="{24 + 16 * place}" style="fill:{colour}">'
            f"{escape(_WORDS[stage])}</text>"
        )
    return _figure(title, width, height + foot, marks)


def _figure(title: str, width: float, height: float, marks: Iterable[str]) -> str:
    return (
        f'<figure><svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img"'
        f' aria-label="{escape(title)}">{"".join(marks)}</svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def _section(title: str, figures: Figures) -> str:
    if not figures.incidents:
        return f"<h2>{title}</h2><p>None.</p>"
    clocks = [
        (
            _WORDS[what],
            str(clock.count),
            _seconds(clock.median),
            _seconds(clock.p90),
            _seconds(clock.worst),
            "" if clock.within is None else f"{clock.within} in {clock.target:.0f} s",
        )
        for what in _CLOCKS
        if (clock := figures.clocks.get(what)) is not None
    ]
    groups = [
        (
            name,
            str(group.paged),
            str(group.received),
            str(group.acked),
            str(group.declined),
            str(group.arrived),
            _seconds(group.ack_median),
            _seconds(group.ack_p90),
        )
        for name, group in figures.groups.items()
    ]
    return (
        f"<h2>{title}</h2>"
        + _table(("seconds from the raising to", "of", "median", "p90", "worst", "target"), clocks)
        + _counts("category", figures.categories)
        + _counts("disposition", figures.dispositions)
        + _counts("breach", figures.breach_kinds, "times")
        + _table(
            (
                "group",
                "paged",
                "received",
                "acked",
                "declined",
                "on scene",
                "ack, median",
                "ack, p90",
            ),
            groups,
        )
    )


def _division(dimension: str, parts: Mapping[str, Figures]) -> str:
    rows = [(value, *_row(figures)) for value, figures in parts.items()]
    heads = (
        dimension, "raised", "closed", "breaches", "precision", "acked", "on scene", "closed in"
    )  # fmt: skip
    return f"<h2>By {escape(dimension)}</h2>" + _table(heads, rows)


def _trend(months: Mapping[str, Figures]) -> str:
    if not months:
        return ""
    rows = [(month, *_row(figures)) for month, figures in months.items()]
    heads = ("month", "drills", "closed", "breaches", "precision", "acked", "on scene", "closed in")
    return "<h2>Drills month by month</h2>" + _table(heads, rows)


def _row(figures: Figures) -> tuple[str, ...]:
    medians = (
        clock.median if (clock := figures.clocks.get(what)) else None
        for what in ("acked", "arrived", "closed")
    )
    return (
        str(figures.incidents),
        str(figures.closed),
        str(figures.breaches),
        _percent(figures.precision),
        *(_seconds(seconds) for seconds in medians),
    )


def _availability(made: Report) -> str:
    found = made.availability
    if found.figure is None:
        return ""
    rows = [
        (link, f"{times.down:.1f}", str(times.outages), f"{times.longest:.1f}")
        for link, times in found.links.items()
    ]
    unmeasured = (
        f"<p>Nobody says whether these are there: {escape(', '.join(found.unmeasured))}.</p>"
        if found.unmeasured
        else ""
    )
    return (
        "<h2>From button to person</h2>"
        f"<p>{found.figure:.4%} of the time a press would have reached somebody,"
        f" over {found.sources} sources.</p>"
        + _table(("link that was down", "seconds", "outages", "longest"), rows)
        + unmeasured
    )


def _busiest(made: Report) -> str:
    rows = [(name, str(count)) for name, count in made.rates.busiest.items()]
    return "<h2>Busiest sources</h2>" + _table(("source", "signals"), rows) if rows else ""


def _open(incidents: Iterable[IncidentFigures]) -> str:
    rows = [
        (
            one.id,
            timestamp(one.raised),
            one.category or "",
            one.site or "",
            one.state,
            str(one.level),
        )
        for one in incidents
        if one.state != "closed"
    ]
    if not rows:
        return ""
    heads = ("incident", "raised", "category", "site", "state", "level")
    return "<h2>Not closed</h2>" + _table(heads, rows)


def _counts(head: str, found: Mapping[str, int], of: str = "incidents") -> str:
    return _table((head, of), [(name, str(count)) for name, count in found.items()])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{share:.{digits}%}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"
