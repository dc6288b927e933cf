"""The http camera: against a server of the distribution, and against cameras that misbehave."""

import asyncio
import contextlib
import hashlib
import shutil
import socket
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.http import HttpCamera
from drivers.camera.http_auth import Challenge, Credentials, challenges, choose
from drivers.camera.http_message import Address, Head, chunk_length, request_bytes
from drivers.camera.jpeg import checked
from drivers.camera.options import HttpOptions
from gateway.errors import DriverIOError, DriverOpenError, InsufficientData, RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 100 + b"\xff\xd9"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


def answer(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


class ScriptedCamera:
    """A camera that answers each request with the next piece of its script."""

    def __init__(self, *script: bytes, then_hang: bool = False) -> None:
        self._script = list(script)
        self._then_hang = then_hang
        self.requests: list[bytes] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/snap.jpg?ch=1"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if self._script:
                writer.write(self._script.pop(0))
                await writer.drain()
            if self._then_hang:
                await reader.read()
        writer.close()


async def opened(**options) -> tuple[HttpCamera, asyncio.Task[None]]:
    camera = HttpCamera("gate", HttpOptions(**options))
    ready = asyncio.Event()
    task = asyncio.create_task(camera.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return camera, task


async def taken(**options) -> bytes:
    camera, task = await opened(**options)
    try:
        return await camera.picture()
    finally:
        task.cancel()


@pytest.mark.parametrize(
    "reply",
    [
        answer(JPEG),
        answer(JPEG + b"\r\n\0\0"),
        answer(JPEG).replace(b"image/jpeg", b"text/plain"),
        OK + b"\r\n" + JPEG,
        OK + b"Transfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\n" + JPEG[:5] + b"\r\n%X\r\n" % len(JPEG[5:]) + JPEG[5:] + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200\r\n\r\n" + JPEG,
    ],
    ids=["length", "padding", "wrong-type", "until-close", "chunked", "http-1.0"],
)
async def test_jpeg_is_taken_however_the_camera_wraps_it(reply):
    async with ScriptedCamera(reply) as camera:
        assert await taken(url=camera.url) == JPEG
        assert camera.requests[0].startswith(b"GET /snap.jpg?ch=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer(b"<html>log in</html>"), "no JPEG"),
        (answer(b"\x89PNG\r\n\x1a\n" + b"x" * 100), "no JPEG"),
        (answer(b""), "no JPEG"),
        (answer(JPEG[:-2]), "cut short"),
        (answer(JPEG)[:-10], "hung up"),
        (answer(b"\xff\xd8\xff" + b"\0" * MAX_PICTURE_BYTES + b"\xff\xd9"), "more than"),
        (answer(b"\xff\xd8\xff" + b"\0" * 2 * MAX_PICTURE_BYTES), "larger than"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", "chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", "chunk"),
        (OK + b"Content-Length: -1\r\n\r\n", "body of"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "body of"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", "status 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "status 302"),
        (b"SSH-2.0-camera\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "no HTTP header"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "headers without end"),
        (b"", "hung up"),
    ],
)
async def test_camera_that_lies_gives_a_driver_error_that_says_how(reply, why):
    async with ScriptedCamera(reply) as camera:
        with pytest.raises(DriverIOError, match=why):
            await taken(url=camera.url)


async def test_camera_that_never_answers_takes_no_longer_than_its_time():
    async with ScriptedCamera(OK, then_hang=True) as camera:
        began = time.monotonic()
        with pytest.raises(DriverIOError, match=r"within 0\.2 s"):
            await taken(url=camera.url, timeout_s=0.2)
        assert time.monotonic() - began < 0.5


async def test_camera_that_drips_takes_no_longer_than_its_time():
    async def drip(reader, writer):
        writer.write(answer(JPEG)[:-200])
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"\0")
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    with pytest.raises(DriverIOError):
        await taken(url=f"http://127.0.0.1:{port}/", timeout_s=0.2)
    assert time.monotonic() - began < 0.5
    server.close()


async def test_caller_that_gives_up_leaves_no_connection_behind():
    async with ScriptedCamera(OK, then_hang=True) as camera:
        http, task = await opened(url=camera.url, timeout_s=10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(http.picture(), 0.1)
        task.cancel()
        await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) == 1


async def test_absent_camera_is_a_driver_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(DriverIOError):
            await taken(url=f"http://127.0.0.1:{port}/")


async def test_absent_password_file_is_an_open_error(tmp_path):
    _, task = await opened(url="http://127.0.0.1/", password_file=tmp_path / "absent")
    with pytest.raises(DriverOpenError, match="absent"):
        await task


async def test_next_picture_answers_the_last_challenge_unasked_and_a_new_one_when_it_comes():
    def challenge(nonce: bytes) -> bytes:
        return (
            b"HTTP/1.1 401 Unauthorized\r\n"
            b'WWW-Authenticate: Digest realm="cam", nonce="' + nonce + b'", qop="auth"\r\n\r\n'
        )

    script = [challenge(b"one"), answer(JPEG), answer(JPEG), challenge(b"two"), answer(JPEG)]
    async with ScriptedCamera(*script) as camera:
        http, task = await opened(url=camera.url, username="u", password="p")
        for _ in range(3):
            assert await http.picture() == JPEG
        task.cancel()
        told = [
            (b'nonce="one"' in request, b'nonce="two"' in request, b"nc=00000002" in request)
            for request in camera.requests
        ]
    assert told == [
        (False, False, False),
        (True, False, False),
        (True, False, True),
        (True, False, False),
        (False, True, False),
    ]


async def test_wrong_password_is_said_so_and_not_tried_for_ever():
    refusal = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="c", nonce="n"\r\n\r\n'
    async with ScriptedCamera(refusal, refusal, refusal) as camera:
        with pytest.raises(DriverIOError, match="refuses user name or password"):
            await taken(url=camera.url, username="u", password="wrong")
        assert len(camera.requests) == 2


LIGHTTPD = shutil.which("lighttpd") or "/usr/sbin/lighttpd"


@pytest.fixture
def lighttpd(tmp_path):
    """A web server that is not ours, with one picture behind digest and one behind basic."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for folder in ("digest", "basic"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "snap.jpg").write_bytes(JPEG)
    (tmp_path / "users").write_text("guard:let:me in\n")
    (tmp_path / "lighttpd.conf").write_text(f"""
        server.bind = "127.0.0.1"
        server.port = {port}
        server.document-root = "{tmp_path}"
        server.modules = ( "mod_auth", "mod_authn_file" )
        auth.backend = "plain"
        auth.backend.plain.userfile = "{tmp_path}/users"
        auth.require = (
            "/digest" => ("method" => "digest", "realm" => "camera", "require" => "valid-user"),
            "/basic" => ("method" => "basic", "realm" => "camera", "require" => "valid-user"))
    """)
    process = subprocess.Popen([LIGHTTPD, "-D", "-f", tmp_path / "lighttpd.conf"])
    try:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(ConnectionError),
                socket.create_connection(("127.0.0.1", port)),
            ):
                break
            time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.system
@pytest.mark.skipif(not shutil.which(LIGHTTPD), reason="lighttpd is not installed")
@pytest.mark.parametrize("folder", ["digest", "basic"])
async def test_real_server_is_satisfied_with_our_authentication(lighttpd, folder, tmp_path):
    (tmp_path / "password").write_text("let:me in\n")
    url = f"http://{lighttpd}/{folder}/snap.jpg"
    assert (
        await taken(url=url, username="guard", password_file=tmp_path / "password", timeout_s=5)
        == JPEG
    )
    in_url = f"http://guard:let%3Ame%20in@{lighttpd}/{folder}/snap.jpg"
    assert await taken(url=in_url, timeout_s=5) == JPEG
    with pytest.raises(DriverIOError, match="refuses"):
        await taken(url=url, username="guard", password="wrong", timeout_s=5)
    with pytest.raises(DriverIOError, match="refuses"):
        await taken(url=url, timeout_s=5)


# RFC 7616, section 3.9.1, and RFC 2617, section 3.5.
NONCE_7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
HEADER_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    f'nonce="{NONCE_7616}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_is_that_of_rfc_7616(algorithm, response):
    (challenge,) = challenges([HEADER_7616.format(algorithm=algorithm)])
    value = Credentials("Mufasa", "Circle of Life").answer(
        challenge,
        "GET",
        "/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{response}"' in value
    assert "qop=auth, nc=00000001" in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_digest_is_that_of_rfc_2617():
    header = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    (challenge,) = challenges([header])
    value = Credentials("Mufasa", "Circle Of Life").answer(
        challenge, "GET", "/dir/index.html", cnonce="0a4f113b"
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert "algorithm" not in value


def test_strongest_challenge_is_chosen_from_one_header_or_several():
    basic = 'Basic realm="a, Digest nonce=b"'
    md5 = HEADER_7616.format(algorithm="MD5")
    sha = HEADER_7616.format(algorithm="SHA-256")
    for headers in ([basic, md5, sha], [f"{basic}, {md5}, {sha}"]):
        offered = challenges(headers)
        assert [challenge.scheme for challenge in offered] == ["basic", "digest", "digest"]
        assert choose(offered).algorithm == "SHA-256"
    assert choose(challenges([basic])).scheme == "basic"


@pytest.mark.parametrize(
    "header",
    [
        "Negotiate",
        'Digest realm="no nonce"',
        'Digest nonce="n", algorithm=WHIRLPOOL',
        'Digest nonce="n", qop="auth-int"',
        "",
    ],
)
def test_challenge_that_cannot_be_answered_is_not_chosen(header):
    assert choose(challenges([header])) is None


@given(st.text(max_size=200))
def test_any_challenge_header_is_survived(text):
    chosen = choose(challenges([text]))
    if chosen is not None:
        Credentials("u", "p").answer(chosen, "GET", "/", cnonce="c")


def test_session_digest_hashes_the_nonces_in():
    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    challenge = Challenge(
        "digest", {"realm": "r", "nonce": "n", "qop": "auth", "algorithm": "MD5-sess"}
    )
    value = Credentials("u", "p").answer(challenge, "GET", "/", cnonce="c", count=10)
    a1 = md5(md5("u:r:p") + ":n:c")
    assert f'response="{md5(f"{a1}:n:0000000a:c:auth:" + md5("GET:/"))}"' in value


def test_address_is_taken_apart():
    assert Address.from_url("https://u%20x:p%3A@cam.example/a%20b?q=1") == Address(
        host="cam.example",
        port=443,
        secure=True,
        target="/a%20b?q=1",
        username="u x",
        password="p:",
    )
    assert b"Host: [::1]:8080\r\n" in request_bytes(Address.from_url("http://[::1]:8080"), None)


@pytest.mark.parametrize("url", ["rtsp://x/", "http:///x", "http://a/\r\nX: y", "http://a/ b", "x"])
def test_what_is_no_http_address_is_refused(url):
    with pytest.raises(ValueError):
        HttpOptions(url=url)


def test_every_prefix_of_a_head_wants_more():
    head = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'
    for end in range(len(head)):
        with pytest.raises(InsufficientData):
            Head.from_bytes(head[:end])
    assert Head.from_bytes(head).all("www-authenticate") == ['Basic realm="x"']


@given(st.binary(max_size=200))
def test_garbage_gives_only_a_protocol_error(data):
    for parse in (Head.from_bytes, chunk_length, checked):
        with contextlib.suppress(RemoteProtocolError, InsufficientData):
            parse(data)
    with contextlib.suppress(RemoteProtocolError, InsufficientData):
        Head.from_bytes(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n").length()
