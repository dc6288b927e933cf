"""SIP peers that are not ours: Debian's baresip, and sipp, which plays scenarios of one SIP message each.

What sipp calls audio is the tests' own: its answers name a port where `Rtp` speaks PCMU (RFC 3551).
"""

import contextlib
import random
import socket
import struct
import subprocess
import time
import wave

import numpy as np
import pytest


def free_port():
    """A port that is free for UDP and TCP, and the next too, where baresip listens for TLS.

    Below those that the kernel gives to whoever connects, so that nobody takes it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in (port, port + 1):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    probe.bind(("127.0.0.1", number))
            return port


def mu_law():
    """All 256 PCMU bytes as 16-bit samples (ITU-T G.711, table 2a)."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


class Rtp:
    """The audio of a peer: PCMU in 20 ms packets."""

    DECODED = mu_law()

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._sequence = 0
        self._to = None
        self._heard = []

    def speak(self, level):
        """Send one packet of samples that all have this level, once it is known where to."""
        self.listen()
        if self._to is None:
            return
        self._sequence += 1
        head = struct.pack(">BBHII", 0x80, 0, self._sequence, self._sequence * 160, 7)
        byte = int(np.argmin(np.abs(self.DECODED.astype(int) - level)))
        self._socket.sendto(head + bytes((byte,)) * 160, self._to)

    def listen(self):
        """Take what has come; its sender is who we speak to."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, self._to = self._socket.recvfrom(4096)
                if data[1] & 0x7F == 0:
                    self._heard.append(self.DECODED[np.frombuffer(data[12:], np.uint8)])

    def heard(self):
        self.listen()
        return np.concatenate([np.zeros(0, np.int16), *self._heard])

    def close(self):
        self._socket.close()


class Process:
    """A peer's process, killed in the end."""

    def __init__(self, log, *command, **options):
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options
            )

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self, seconds):
        return self.process.wait(seconds)


ANSWER = """<scenario name="door">
 <recv request="INVITE" rrs="true"/>
 <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:door@127.0.0.1:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=door 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio [rtp] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
 <recv request="ACK"><action>
  <ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
  <ereg regexp=".*" search_in="hdr" header="To:" assign_to="door"/>
 </action></recv>
 {then}
 <Reference variables="caller,door"/>
</scenario>"""
HUNG_UP = """<recv request="BYE"/>
 <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
]]></send>"""
HANGS_UP = """<pause milliseconds="{after}"/>
 <send><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:[local_port];branch=[branch]
From:[$door]
To:[$caller]
[last_Call-ID:]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0
]]></send>
 <recv response="200"/>"""
FINAL = """<scenario name="final">
 <recv request="INVITE"/>
 <send><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
]]></send>
 <recv request="ACK"/>
</scenario>"""
_REPLY = """<send><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
{header}
Content-Length: 0
]]></send>"""
_CHALLENGE = 'WWW-Authenticate: Digest realm="gate", nonce="47ebe028cda119c3", algorithm=MD5'
_REGISTERED = "Contact: <sip:gate@127.0.0.1>;expires={expires}"
REGISTRAR = f"""<scenario name="registrar">
 <recv request="REGISTER"/>
 {_REPLY.format(status="401 Unauthorized", header=_CHALLENGE)}
 <recv request="REGISTER"><action>
  <verifyauth assign_to="1" username="gate" password="secret word"/>
 </action></recv>
 <nop hide="true" test="1" next="good"/>
 {_REPLY.format(status="403 Forbidden", header="X-Why: password")}
 <nop hide="true" next="end"/>
 <label id="good"/>
 {_REPLY.format(status="200 OK", header=_REGISTERED)}
 <recv request="REGISTER"/>
 {_REPLY.format(status="503 Gone", header="X-Why: test")}
 <label id="end"/>
</scenario>"""


def sipp(folder, scenario, *options, to=None):
    """A sipp that plays ``scenario``; returns process and port."""
    port = free_port()
    path = folder / f"{port}.xml"
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{scenario}')
    process = Process(
        folder / f"{port}.log",
        *("sipp", "-sf", str(path), "-i", "127.0.0.1", "-p", str(port), "-nostdin"),
        *("-timeout", "30", *options, *((to,) if to else ())),
        cwd=folder,
    )
    if to is None:
        time.sleep(0.3)
    assert process.process.poll() is None, process.text()
    return process, port


def spoken(path, level, seconds=30):
    """The source of a baresip that speaks, at 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(np.full(8_000 * seconds, level, np.int16).tobytes())
    return f"aufile,{path}"


def baresip(folder, *commands, codecs="pcmu", source="aubridge,loop", port=None):
    """Debian's baresip, which answers any call; returns process and port.

    It speaks what it hears, or with ``source`` as `spoken` makes it the same level all the time.
    (Where it calls, its own ringing takes the bridge between the two.)
    """
    port = port or free_port()
    home = folder / str(port)
    home.mkdir(exist_ok=True)
    lines = [
        f"sip_listen 127.0.0.1:{port}",
        "net_interface 127.0.0.1",
        "audio_player aubridge,loop",
        f"audio_source {source}",
        "module_path /usr/lib/baresip/modules",
        *(f"module {name}.so" for name in ("g711", "g722", "opus", "aubridge", "aufile")),
        "module_tmp account.so",
        "module_app menu.so",
    ]
    (home / "config").write_text("\n".join(lines) + "\n")
    account = f"<sip:door@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs={codecs}\n"
    (home / "accounts").write_text(account)
    (home / "contacts").write_text("")
    executed = [part for command in commands for part in ("-e", command)]
    process = Process(home / "log", "baresip", "-f", str(home), "-v", "-t", "40", *executed)
    until = time.monotonic() + 5
    while "baresip is ready" not in process.text():
        if time.monotonic() > until:
            pytest.fail(process.text())
        time.sleep(0.05)
    return process, port
