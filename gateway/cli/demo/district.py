"""The demo's files: one shared district, one short file for each gateway, a film for the camera."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo.hardware import Radio

OBSERVER = "observer"
ACK_WITHIN = 4
"""Seconds of level 1: short, so that the story does not make anyone wait."""

_DISTRICT = """\
# What the three gateways share: a hospital, its street, and who answers.
# The story's people speak for themselves: nothing is announced, and no microphone opens by itself.
announcements: {{times: 0}}
sites:
  zju1:    {{name: 浙大一院, class: hospital, street: xiaoying, grid: xiaoying-03, position: [30.2573, 120.1776]}}
  station: {{name: 小营派出所, class: police, street: xiaoying}}
  office:  {{name: 小营街道办事处, class: office, street: xiaoying}}
talkgroups:
  police-xiaoying:   {{tot_s: 30, hang_time_s: 1}}
  hospital-security: {{hang_time_s: 1}}
  street-xiaoying:   {{hang_time_s: 1}}
  alliance-wulin:    {{hang_time_s: 1}}
  command-centre:    {{hang_time_s: 1}}
groups:
  police-xiaoying:   {{name: 小营派出所,   party: police,   street: xiaoying, talkgroup: police-xiaoying}}
  hospital-security: {{name: 医院保卫科,   party: hospital, street: xiaoying, talkgroup: hospital-security}}
  street-xiaoying:   {{name: 小营街道,     party: street,   street: xiaoying, talkgroup: street-xiaoying}}
  alliance-wulin:    {{name: 武林商圈联盟, party: alliance, street: wulin, tags: [neighbour], talkgroup: alliance-wulin}}
  command-centre:    {{name: 区指挥中心,   party: command, street: wulin, tags: [all-call], talkgroup: command-centre}}
plans:
  hospital-panic:
    name: 医院一键报警
    when: {{class: hospital, category: panic}}
    levels:
      - {{name: 吹哨响应, page: [police-xiaoying, hospital-security, street-xiaoying], patch: true, hot_mic_s: 0, answered_by: [police, hospital, street], ack_within_s: {ack_within}}}
      - {{name: 双向响应, page_where: {{tag: neighbour}}, ack_within_s: 60}}
      - {{name: 一呼百应, page_where: {{tag: all-call}}, ack_within_s: 120}}
  hospital-trouble:
    when: {{class: hospital, category: trouble}}
    levels:
      - {{name: 设备故障, page: [hospital-security], ack_within_s: 600}}
      - {{name: 设备故障升级, page: [street-xiaoying], ack_within_s: 3600}}
"""

_HOSPITAL = """\
# The hospital: the embedded broker, the panel, and the south gate.
gateway: hospital
data_dir: ../hospital
include: [district.yaml]
mqtt: {{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}
serves: [hospital-security]
inputs:
  receiver-1: {{driver: panel, protocol: surgard, port: {panel}, baud_rate: 9600}}
endpoints:
  south-gate-button: {{kind: button, site: zju1, place: south-gate, input: receiver-1, account: "1234", zone: "001", category: panic}}
  south-gate-intercom:
    kind: intercom
    site: zju1
    place: south-gate
    audio: {{driver: udp, listen: "127.0.0.1:{intercom.listen_port}", send: "127.0.0.1:{intercom.send_port}", rate_hz: 16000}}
    squelch: {{driver: vox, threshold_dbfs: -40, hang_s: 0.5}}
    camera: {{driver: file, path: film.mp4}}
    talkgroup: hospital-security
  security-radio:
    kind: radio
    site: zju1
    audio: {{driver: udp, listen: "127.0.0.1:{security.listen_port}", send: "127.0.0.1:{security.send_port}", rate_hz: 16000}}
    ptt: {{driver: pty, path: {security.line}}}
    squelch: {{driver: pty, path: {security.line}}}
    talkgroup: hospital-security
"""

_OTHER = """\
# {title}
gateway: {name}
data_dir: ../{name}
include: [district.yaml]
mqtt: {{broker: "mqtt://127.0.0.1:{port}", password_file: {name}.password}}
serves: [{serves}]
endpoints:
  {endpoint}:
    kind: radio
    site: {site}
    audio: {{driver: udp, listen: "127.0.0.1:{radio.listen_port}", send: "127.0.0.1:{radio.send_port}", rate_hz: 16000}}
    ptt: {{driver: pty, path: {radio.line}}}
    squelch: {{driver: pty, path: {radio.line}}}
    talkgroup: {talkgroup}
"""


@dataclass(frozen=True, slots=True)
class District:
    """Where the demo's files are."""

    configs: dict[str, Path]
    """Configuration by gateway; the one with the broker first."""
    port: int
    """The embedded broker's."""
    observer_password: str


def write(
    folder: Path,
    port: int,
    panel: str,
    *,
    intercom: Radio,
    security: Radio,
    police: Radio,
    street: Radio,
) -> District:
    """Write everything into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    passwords = {name: secrets.token_urlsafe(16) for name in ("police", "street", OBSERVER)}
    (folder / "district.yaml").write_text(_DISTRICT.format(ack_within=ACK_WITHIN), "utf-8")
    (folder / "hospital.yaml").write_text(
        _HOSPITAL.format(port=port, panel=panel, intercom=intercom, security=security), "utf-8"
    )
    others = {
        "police": {
            "title": "The police station: one radio.",
            "serves": "police-xiaoying, command-centre",
            "endpoint": "police-radio",
            "site": "station",
            "talkgroup": "police-xiaoying",
            "radio": police,
        },
        "street": {
            "title": "The street office: one radio; it also answers for the neighbouring alliance.",
            "serves": "street-xiaoying, alliance-wulin",
            "endpoint": "street-radio",
            "site": "office",
            "talkgroup": "street-xiaoying",
            "radio": street,
        },
    }
    for name, facts in others.items():
        (folder / f"{name}.yaml").write_text(_OTHER.format(name=name, port=port, **facts), "utf-8")
        _secret(folder / f"{name}.password", passwords[name] + "\n")
    _secret(folder / "users", "".join(f"{name}:{word}\n" for name, word in passwords.items()))
    _film(folder / "film.mp4")
    names = ("hospital", "police", "street")
    return District({name: folder / f"{name}.yaml" for name in names}, port, passwords[OBSERVER])


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _film(path: Path, seconds: int = 4, rate: int = 10) -> None:
    """Moving pictures for the gate's camera: a bar that walks over a grey wall."""
    import av
    import numpy as np

    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(seconds * rate):
            picture = np.full((360, 640, 3), 96, np.uint8)
            left = number * 600 // (seconds * rate)
            picture[:, left : left + 40] = (200, 60, 40)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
