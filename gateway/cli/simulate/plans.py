"""The plans that every simulated district has, as it writes them: the three levels, and the rest."""

from __future__ import annotations

from gateway.cli.simulate.tables import CLASSES

_HEAD = """\
# Whom each signal calls. The first plan whose `when` matches is used, in this order; a level only
# adds groups. `@site` is the site's own street, grid or class.
timezone: Asia/Shanghai

calendars:
  school-days: {weekdays: [mon, tue, wed, thu, fri], exceptions: ["2026-10-01..2026-10-07", "2027-01-30..2027-02-27"]}

rotas:
  command:
    shifts:
      - {group: duty-day, time: "08:00-20:00"}
      - {group: duty-night, time: "20:00-08:00"}

dispositions: {handled: true, false-alarm: false, test: test, transferred: true}

plans:
  # Broken lines, low batteries, silence: never a panic, yet somebody's work.
  trouble:
    name: 设备故障
    when: {category: [trouble, supervision]}
    severity: 4
    targets: {ack_s: 900, en_route_s: null, on_scene_s: null, handled_s: 86400}
    levels:
      - {name: 报修, page: [maintenance], ack_within_s: 900}
      - {name: 升级报修, page_where: {street: "@site", party: street}, ack_within_s: 3600}

  fire:
    name: 火警
    when: {category: fire}
    severity: 1
    levels:
      - {name: 吹哨响应, page_where: {street: "@site", party: [police, street]}, nearest: {count: 1, party: fire}, answered_by: [fire], patch: true, ack_within_s: 30}
      - {name: 双向响应, page_where: {grid: "@site"}, nearest: {count: 2, party: fire}, ack_within_s: 60}
      - {name: 一呼百应, page_where: {street: "@site", class: "@site"}, page_rota: command, ack_within_s: 120}

  medical:
    name: 医疗求助
    when: {category: medical}
    levels:
      - {name: 吹哨响应, page_where: {grid: "@site"}, ack_within_s: 60}
      - {name: 双向响应, page_where: {street: "@site", party: [street, patrol]}, ack_within_s: 120}

  # A shop manager to the anti-fraud centre: not urgent, and no siren.
  assist:
    name: 反诈协助
    when: {category: assist}
    levels:
      - {name: 协助, page: [antifraud], ack_within_s: 120}
      - {name: 升级, page_where: {street: "@site", party: police}, ack_within_s: 300}

  # Two tracks for disputes: the street's mediators, or the district's centre and counsellors.
  dispute:
    name: 一般纠纷
    when: {category: dispute}
    severity: 3
    levels:
      - {name: 网格调解, page_where: {grid: "@site", party: grid}, ack_within_s: 300}
      - {name: 街道调解, page_where: {street: "@site", party: mediation}, ack_within_s: 600}

  dispute-professional:
    name: 专业纠纷
    when: {category: dispute-professional}
    severity: 3
    levels:
      - {name: 专业调解, page: [mediation-centre, counselling], answered_by: all, ack_within_s: 600}
      - {name: 街道协助, page_where: {street: "@site", party: [street, mediation]}, ack_within_s: 600}

  # While children are there, a school's neighbours come at once.
  school-panic-by-day:
    name: 校园一键报警（上学日）
    when: {class: school, category: [panic, duress], time: "07:00-18:00", calendar: school-days}
    levels:
      - {name: 吹哨响应, page_where: {street: "@site", party: [police, street]}, nearest: {count: 3, party: security, max_distance_m: 600}, answered_by: [police, security], patch: true, ack_within_s: 20}
      - {name: 双向响应, page_where: {grid: "@site"}, nearest: {count: 2, party: patrol, max_distance_m: 4000}, ack_within_s: 40}
      - {name: 一呼百应, page_where: {street: "@site", class: "@site"}, page_rota: command, ack_within_s: 120}
"""

_PANIC = """
  {latin}-panic:
    name: {title}一键报警
    when: {{class: {latin}, category: [panic, duress]}}
    levels:
      # 吹哨: the police station, the street, and the site's own people, who are where it is.
      - {{name: 吹哨响应, page_where: {{street: "@site", party: [police, street]}}, nearest: {{count: 1, party: security, max_distance_m: 60}}, answered_by: [police, security], ack_within_s: 30}}
      # 双向: the grid and the nearest neighbours; whoever is called speaks with the place.
      - {{name: 双向响应, page_where: {{grid: "@site", party: grid}}, nearest: {{count: 4, party: [security, patrol], max_distance_m: 1500}}, patch: true, ack_within_s: 60}}
      # 一呼百应: the alliance of its kind, and whoever commands.
      - {{name: 一呼百应, page_where: {{street: "@site", class: "@site"}}, page_rota: command, ack_within_s: 120}}
"""

_TAIL = """
  # Whatever else rings: an event code that nobody listed.
  other:
    name: 其他报警
    when: {}
    levels:
      - {name: 吹哨响应, page_where: {street: "@site", party: [police, street]}, ack_within_s: 60}
      - {name: 一呼百应, page_where: {grid: "@site"}, ack_within_s: 180}
"""


def plans() -> str:
    """The file of hours, rotas, plans and dispositions."""
    panics = "".join(_PANIC.format(latin=kind.latin, title=kind.title) for kind in CLASSES)
    return _HEAD + panics + _TAIL
