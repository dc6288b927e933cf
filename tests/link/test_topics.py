"""The topic table of the contract, section 1."""

import pytest

from gateway.link.topics import TABLE, Topics

TOPICS = Topics()
BUILT = {
    "status": TOPICS.status("g"),
    "endpoint": TOPICS.endpoint("g", "e"),
    "voice": TOPICS.voice("t", "c"),
    "request": TOPICS.request("t", "c"),
    "floor": TOPICS.floor("t", "c"),
    "answer": TOPICS.answer("t", "a", "c"),
    "alarm": TOPICS.alarm("g"),
    "page": TOPICS.page("p", "c"),
    "action": TOPICS.action("i", "c"),
    "picture": TOPICS.picture("i", "c"),
    "incident": TOPICS.incident("i", "c"),
    "announced": TOPICS.announced("t", "c"),
    "patch": TOPICS.patch("x", "c"),
    "handover": TOPICS.handover("g", "i"),
    "figures": TOPICS.figures("g"),
    "journal": TOPICS.journal("g"),
    "presence": TOPICS.presence("c"),
    "ping": TOPICS.ping("g", "o"),
    "alive": TOPICS.alive("g"),
    "cap": TOPICS.cap("g"),
    "cloudevents": TOPICS.cloudevents("g"),
}


def test_topics_are_those_of_the_contract():
    assert list(BUILT.values()) == [
        "baiying/gateway/g/status",
        "baiying/gateway/g/endpoint/e",
        "baiying/talkgroup/t/voice/c",
        "baiying/talkgroup/t/request/c",
        "baiying/talkgroup/t/floor/c",
        "baiying/talkgroup/t/answer/a/c",
        "baiying/alarm/g",
        "baiying/group/p/page/c",
        "baiying/incident/i/action/c",
        "baiying/incident/i/picture/c",
        "baiying/incident/i/state/c",
        "baiying/talkgroup/t/announced/c",
        "baiying/patch/x/c",
        "baiying/gateway/g/handover/i",
        "baiying/gateway/g/figures",
        "baiying/gateway/g/journal",
        "baiying/presence/c",
        "baiying/gateway/g/ping/o",
        "baiying/gateway/g/alive",
        "baiying/cap/g",
        "baiying/cloudevents/g",
    ]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_row_and_builder_agree(row):
    names = {
        "gateway": "g",
        "endpoint": "e",
        "other": "o",
        "talkgroup": "t",
        "client": "c",
        "asker": "a",
        "group": "p",
        "incident": "i",
        "patch": "x",
    }
    assert f"baiying/{row.template.format(**names)}" == BUILT[row.name]


def test_retained_and_qos_are_those_of_the_contract():
    assert {row.name for row in TABLE if row.retained} == {
        "status",
        "endpoint",
        "floor",
        "picture",
        "incident",
        "patch",
        "handover",
        "figures",
        "journal",
        "presence",
    }
    assert {row.name for row in TABLE if row.qos == 0} == {"voice", "request", "answer"}
    assert all(row.qos in (0, 1) for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_last_level_is_the_publishers_own_name_or_under_gateway_the_level_after(row):
    levels = row.template.split("/")
    own = levels[1] if levels[0] == "gateway" else levels[-1]
    assert own == f"{{{row.owner}}}"


@pytest.mark.parametrize(
    ("topic", "levels"),
    [
        ("baiying/alarm/zju1", ("alarm", "zju1")),
        ("baiying/talkgroup/t/answer/a/c", ("talkgroup", "t", "answer", "a", "c")),
        ("other/alarm/zju1", None),
        ("baiying", None),
        ("baiying/", None),
        ("baiying/alarm/", None),
        ("baiying/alarm/ZJU1", None),
        ("baiying/alarm/zju1\n", None),
        ("baiying//zju1", None),
        ("baiying/alarm/" + "a" * 64, ("alarm", "a" * 64)),
        ("baiying/alarm/" + "a" * 65, None),
    ],
)
def test_topic_comes_apart_into_names_or_not_at_all(topic, levels):
    assert TOPICS.levels(topic) == levels


def test_root_is_configurable():
    assert Topics("xihu").alarm("+") == "xihu/alarm/+"
