"""What Home Assistant is told of a gateway; templates are run by the engine that it uses."""

import json
from dataclasses import replace

import jinja2

from gateway.alarm.neighbours.home_assistant import EndpointFacts, configurations
from gateway.link.messages import encode
from gateway.link.topics import TABLE, Topics
from tests.alarm.neighbours.test_cloudevents import EVENT

TOPICS = Topics()
BUTTON = EndpointFacts(
    name="south-gate-button", title="南门按钮", kind="button", site_title="浙大一院", raises=True
)
RADIO = replace(BUTTON, name="police-radio", title="police-radio", kind="radio", raises=False)
CONFIGS = {
    topic: json.loads(payload)
    for topic, payload in configurations("zju1", TOPICS, "homeassistant", (BUTTON, RADIO)).items()
}
PRESS = "homeassistant/event/zju1/south-gate-button/config"


def rendered(template, payload):
    """As Home Assistant does it: ``value_json`` is the parsed payload."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(template).render(value_json=json.loads(payload)).strip()


def test_button_is_an_event_entity_on_a_topic_that_is_never_retained():
    config = CONFIGS[PRESS]
    assert config["state_topic"] == "baiying/alarm/zju1"
    assert not next(row for row in TABLE if row.name == "alarm").retained
    event = json.loads(rendered(config["value_template"], encode(EVENT)))
    assert event["event_type"] == "alarm"
    assert event["event_type"] in config["event_types"]
    assert event["id"] == EVENT.id


def test_press_of_another_button_is_nothing_to_this_one():
    other = replace(EVENT, endpoint="north-gate-button")
    assert rendered(CONFIGS[PRESS]["value_template"], encode(other)) == ""


def test_no_event_entity_listens_to_a_retained_topic():
    retained = {row.name for row in TABLE if row.retained}
    for topic, config in CONFIGS.items():
        if "/event/" in topic:
            levels = config["state_topic"].split("/")
            assert levels[1] in ("alarm", "group")
    assert not retained & {"alarm", "page"}


def test_gateway_is_seen_online_and_away():
    config = CONFIGS["homeassistant/binary_sensor/zju1/online/config"]
    assert "availability_topic" not in config
    for state, shown in (("online", "ON"), ("offline", "OFF"), ("stopping", "OFF")):
        assert rendered(config["value_template"], json.dumps({"state": state})) == shown


def test_endpoint_without_an_input_is_no_button():
    assert not any(topic.startswith("homeassistant/event/zju1/police") for topic in CONFIGS)
    assert "homeassistant/binary_sensor/zju1/police-radio-health/config" in CONFIGS


def test_every_entity_has_an_id_of_its_own_and_belongs_to_the_gateways_device():
    ids = [config["unique_id"] for config in CONFIGS.values()]
    assert len(set(ids)) == len(ids)
    assert {config["device"]["identifiers"][0] for config in CONFIGS.values()} == {
        "baiying-baiying-zju1"
    }


def test_topics_are_those_that_the_brokers_acl_admits():
    assert all(
        topic.split("/")[0] == "homeassistant" and topic.split("/")[2] == "zju1"
        for topic in CONFIGS
    )
    assert all(len(topic.split("/")) == 5 for topic in CONFIGS)
