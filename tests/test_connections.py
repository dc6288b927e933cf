"""How a gateway presents itself to its broker."""

import pytest

from gateway.connections import broker
from gateway.settings.model import Mqtt, Settings


@pytest.mark.parametrize("with_password", [True, False])
async def test_an_external_broker_is_told_the_gateways_name(tmp_path, with_password):
    file = tmp_path / "password"
    file.write_text("secret\n")
    mqtt = Mqtt(broker="mqtt://127.0.0.1:1", password_file=file if with_password else None)
    async with broker(Settings(gateway="zju1", mqtt=mqtt)) as address:
        assert address.username == "zju1"
        assert address.password == ("secret" if with_password else None)


async def test_a_user_name_that_is_configured_is_used_instead():
    mqtt = Mqtt(broker="mqtt://127.0.0.1:1", username="site-7")
    async with broker(Settings(gateway="zju1", mqtt=mqtt)) as address:
        assert address.username == "site-7"
