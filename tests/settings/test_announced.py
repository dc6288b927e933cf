"""How announcements are configured, and what is rendered ahead for them."""

import pytest
import yaml

from drivers import registry
from gateway.pieces import announcer_options_of
from gateway.settings.announced import vocabulary_of
from gateway.settings.loader import load

BASE = """
gateway: g
sites:
  s: {name: 浙大一院, class: hospital, street: a, places: {south-gate: 南大门}}
  t: {name: 学校, class: school, street: b}
  u: {name: 银行, class: bank, street: a}
inputs: {hand: {driver: virtual}}
endpoints:
  b1: {kind: button, site: s, place: south-gate, input: hand, category: panic}
  b2: {kind: button, site: s, place: hall, name: 大厅按钮, input: hand, category: odd-kind}
talkgroups: {t: {}}
groups:
  p: {name: 派出所, party: police, street: a, talkgroup: t}
  q: {name: Police, party: street, street: b, talkgroup: t}
serves: [p]
plans:
  panic:
    when: {class: [hospital, school], category: panic}
    announce: pre-empt
    levels:
      - {name: 吹哨, page_where: {street: "@site"}}
      - {name: 全员, page_where: {party: street}, announce: "off"}
  bank:
    when: {class: bank}
    levels: [{name: 银行级, page: [q]}]
  rest:
    levels: [{name: 其余, page: [q]}]
"""


@pytest.fixture
def settings(bench):
    def made(**changes):
        data = yaml.safe_load(BASE) | changes
        text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
        return load(bench.write("gateway.yaml", text), registry).settings

    return made


def test_only_what_may_be_said_to_groups_served_here_is_rendered_ahead(settings):
    said = vocabulary_of(settings())
    assert said.sites == ("浙大一院",), "the school is in another street, the bank calls others"
    assert said.levels == ("吹哨", "全员")
    assert said.categories == ("panic", "odd-kind")
    assert said.places == ("南大门", "大厅按钮")


def test_gateway_that_serves_nobody_renders_nothing(settings):
    assert announcer_options_of(settings(serves=[])).vocabulary == ()


def test_announcements_that_are_switched_off_render_nothing(settings):
    assert announcer_options_of(settings(announcements={"times": 0})).vocabulary == ()


def test_what_is_sure_to_be_needed_comes_first(settings):
    texts = [phrase.text for phrase in announcer_options_of(settings()).vocabulary]
    assert texts.index("紧急报警") < texts.index("吹哨") < texts.index("浙大一院")
    assert texts.index("浙大一院") < texts.index("火警")
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("changes", "language"),
    [
        ({}, "zh"),
        ({"announcements": {"language": "en"}}, "en"),
        ({"name": "Police"}, "en"),
        ({"name": "Police", "language": "zh", "announcements": {"language": "en"}}, "zh"),
    ],
)  # fmt: skip
def test_language_is_the_groups_else_the_gateways_else_that_of_its_name(
    settings, changes, language
):
    groups = yaml.safe_load(BASE)["groups"]
    groups["p"] |= {key: changes[key] for key in ("name", "language") if key in changes}
    made = settings(groups=groups, announcements=changes.get("announcements", {}))
    assert announcer_options_of(made).groups["p"].language == language


def test_every_option_reaches_the_announcer(settings):
    wanted = {
        "times": 3, "pause_s": 4.0, "within_s": 5.0, "priority": 60, "pre_empt_priority": 170,
        "voices": {"zh": "yue"}, "speed_wpm": 200, "level_dbfs": -25.0, "chime": False, "cache_mb": 7,
    }  # fmt: skip
    made = announcer_options_of(settings(announcements=wanted))
    assert (made.rules.times, made.rules.pause, made.rules.within) == (3, 4.0, 5.0)
    assert (made.priority, made.pre_empt_priority, made.chime) == (60, 170, False)
    stock = made.stock
    assert (stock.voice("zh"), stock.voice("en")) == ("yue", "en-gb")
    assert (stock.speed_wpm, stock.level_dbfs, stock.most_bytes) == (200, -25.0, 7_000_000)


def test_levels_are_announced_as_they_say_else_as_their_plan_does(settings):
    from gateway.settings.facts import plans_of

    panic, bank, _ = plans_of(settings())
    assert [level.announce for level in panic.levels] == ["pre-empt", "off"]
    assert [level.announce for level in bank.levels] == ["wait"]


@pytest.mark.parametrize(("level", "seconds"), [({}, 0.0), ({"patch": True}, 30.0), ({"patch": True, "hot_mic_s": 5}, 5.0), ({"patch": True, "hot_mic_s": 0}, 0.0)])  # fmt: skip
def test_patch_opens_microphones_for_half_a_minute_unless_it_says_otherwise(
    settings, level, seconds
):
    from gateway.settings.facts import plans_of

    plan = {"levels": [{"name": "x", "page": ["p"]} | level]}
    assert plans_of(settings(plans={"x": plan}))[0].levels[0].hot_mic == seconds


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  b1:", "  announcer:", "is the name that announcements speak under"),
        ("{name: 吹哨,", "{name: 吹哨, hot_mic_s: 5,", "hot_mic_s needs patch: true"),
        ("serves: [p]", "serves: [p]\nannouncements: {times: 9}", "must be at most 5"),
        ("serves: [p]", "serves: [p]\nannouncements: {voices: {zh: -x}}", "voices"),
        ("serves: [p]", "serves: [p]\nannouncements: {language: fr}", "zh, en"),
        ("announce: pre-empt", "announce: loudly", "wait, pre-empt, off"),
    ],
)
def test_what_cannot_work_is_refused_at_its_place(bench, old, new, words):
    assert bench.errors(BASE) == []
    assert any(words in line for line in bench.errors(BASE.replace(old, new)))


def test_pre_emption_that_pre_empts_nobody_is_warned_of(bench):
    lines = bench.lines(BASE + "announcements: {priority: 100, pre_empt_priority: 100}\n")
    assert any("only a strictly higher one pre-empts" in line for line in lines)
