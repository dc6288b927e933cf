"""What each source depends on, for the availability figure (`gateway.settings.chains`)."""

from __future__ import annotations

from pathlib import Path

from drivers import registry
from gateway.alarm.supervision.availability import Chain
from gateway.settings import facts
from gateway.settings.chains import Chains
from gateway.settings.loader import load

CONFIG = """
gateway: zju1
sites: {zju1: {name: 浙大一院, class: hospital, street: xiaoying}}
inputs: {desk: {driver: virtual}, hall: {driver: virtual}}
talkgroups: {hall: {}, street: {}}
groups:
  guards: {name: 保卫科, party: hospital, talkgroup: hall}
  street: {name: 街道, party: street, talkgroup: street, street: xiaoying}
  night: {name: 夜班, party: hospital, talkgroup: street}
  car: {name: 巡逻车, party: patrol, talkgroup: street}
rotas: {duty: {shifts: [{group: guards, time: "08:00-20:00"}], otherwise: night}}
endpoints:
  a: {kind: button, site: zju1, input: desk, category: panic}
  b: {kind: button, site: zju1, input: desk, line: b, category: panic}
  c: {kind: button, site: zju1, input: hall, category: fire}
  d: {kind: button, site: zju1, input: hall, line: d, category: medical}
  lamp: {kind: relay, site: zju1}
supervision: {endpoints: {b: {heartbeat_s: 10}}}
serves: [guards]
plans:
  day: {when: {category: panic, time: "08:00-18:00"}, levels: [{name: 一, page: [guards]}]}
  panic: {when: {category: panic}, levels: [{name: 一, page_where: {street: "@site"}}]}
  fire: {when: {category: fire}, levels: [{name: 一, page_rota: duty, nearest: {count: 1, party: patrol}}]}
  rest: {when: {}, levels: [{name: 一, nearest: {count: 1, party: patrol}}]}
"""


def test_each_source_counts_by_its_input_its_supervision_and_whom_it_may_call(
    tmp_path: Path,
) -> None:
    path = tmp_path / "baiying.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    settings = load(path, registry).settings
    chains = Chains(settings)
    for source in facts.sources_of(settings).values():
        chains.add(source)
    both = {"groups": ("guards", "street"), "local": ("guards",), "sources": 1}
    assert chains.chains() == (
        Chain(input="desk", endpoint=None, **both),
        Chain(input="desk", endpoint="b", **both),
        Chain(
            input="hall", endpoint=None, groups=("guards", "night"), local=("guards",), sources=1
        ),
        Chain(input="hall", endpoint=None, groups=("car",), local=(), sources=1),
    )
