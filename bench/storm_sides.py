"""The outside of the storm, each side a process of its own: receivers on serial lines, a responder.

``python -m bench.storm_sides panels`` reads ``{"panels": [[line, ...], ...]}``, says the ports that
it made, waits for a line on standard input and sends everything: each receiver one line at a time,
the next when the last was acknowledged, as they do. ``... responder PORT NAME PASSWORD`` signs for
every page. Nothing here knows the gateway's code.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
import tty
import uuid
from datetime import UTC, datetime

import mqtt5

_RESEND = 4.0
"""Seconds after which a receiver sends its line again (Sur-Gard MLR2)."""


def panels() -> None:
    work: list[list[str]] = json.loads(sys.stdin.readline())["panels"]
    ports = [os.openpty() for _ in work]
    for master, slave in ports:
        tty.setraw(slave)
        os.set_blocking(master, False)
    print(json.dumps([os.ttyname(slave) for _, slave in ports]), flush=True)
    sys.stdin.readline()
    lines = [[line.encode() + b"\x14" for line in panel] for panel in work]
    sent = [0.0] * len(work)
    done: list[list[tuple[float, float]]] = [[] for _ in work]
    resent, refused = 0, 0
    poll = select.epoll()
    at = {master: number for number, (master, _) in enumerate(ports)}
    began = time.time()
    for number, (master, _) in enumerate(ports):
        poll.register(master, select.EPOLLIN)
        sent[number] = time.time()
        os.write(master, lines[number][0])
    left = len(work)
    while left:
        for master, _ in poll.poll(0.5):
            number = at[master]
            answers, now = os.read(master, 256), time.time()
            refused += answers.count(b"\x15")
            if b"\x06" not in answers:
                continue
            done[number].append((sent[number], now))
            place = len(done[number])
            if place < len(lines[number]):
                sent[number] = now
                os.write(master, lines[number][place])
            else:
                left -= 1
        for number, (master, _) in enumerate(ports):
            late = time.time() - sent[number] > _RESEND
            if len(done[number]) < len(lines[number]) and late:
                resent += 1
                sent[number] = time.time()
                os.write(master, lines[number][len(done[number])])
    print(json.dumps({"began": began, "resent": resent, "nak": refused, "done": done}), flush=True)
    sys.stdin.readline()  # the lines stay plugged in until the end


def responder(port: int, name: str, password: str) -> None:
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = mqtt5.ConnectPacket(
        name, username=name, password=password.encode(), clean_start=True, keep_alive=0
    )
    topics = [mqtt5.TopicFilter("baiying/group/+/page/+", max_qos=mqtt5.QoS.AT_LEAST_ONCE)]
    link.sendall(hello.write() + mqtt5.SubscribePacket(1, topics).write())
    known: set[str] = set()
    received = bytearray()
    print("up", flush=True)
    while data := link.recv(65_536):
        received += data
        used, answer, number = 0, [], len(known)
        with memoryview(received) as view:
            while used < len(view):
                try:
                    packet, size = mqtt5.read(view[used:])
                except IndexError:
                    break
                used += size
                if not isinstance(packet, mqtt5.PublishPacket):
                    continue
                if packet.packet_id is not None:
                    answer.append(mqtt5.PubAckPacket(packet.packet_id).write())
                page = json.loads(packet.payload)
                if page["id"] not in known:
                    known.add(page["id"])
                    number += 1
                    answer.append(_receipt(page, name, number))
        del received[:used]
        link.sendall(b"".join(answer))


def _receipt(page: dict[str, str], name: str, number: int) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    action = {
        "v": 1, "id": str(uuid.uuid4()), "incident": page["incident"], "group": page["group"],
        "by": name, "action": "receipt", "time": at, "page": page["id"],
    }  # fmt: skip
    return mqtt5.PublishPacket(
        f"baiying/incident/{page['incident']}/action/{name}",
        json.dumps(action).encode(),
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=number % 0xFFFF + 1,
    ).write()


if __name__ == "__main__":
    if sys.argv[1] == "panels":
        panels()
    else:
        responder(int(sys.argv[2]), sys.argv[3], sys.argv[4])
