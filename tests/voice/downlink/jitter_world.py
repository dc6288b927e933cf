"""A jitter buffer with packets coming and a device that plays, for the tests. Times are seconds."""

from gateway.voice.downlink.jitter import Jitter, Kind
from gateway.voice.downlink.lateness import Lateness
from gateway.voice.downlink.pace import Speed
from gateway.voice.rtp import BurstFlags, Packet, Token

TICK = 0.02
SPEECH, PAUSE, SILENCE = 15, 45, 127


def packet(number, *, level=SPEECH, last=False, pre_roll=False):
    return Packet(
        sequence=number & 0xFFFF,
        timestamp=number * 960 & 0xFFFFFFFF,
        ssrc=1,
        marker=False,
        payload=b"\x48" + number.to_bytes(3, "little"),
        level_dbov=level,
        voice_activity=level < 50,
        token=Token(1, 1),
        flags=BurstFlags(last=last, pre_roll=pre_roll),
        captured=0.0,
    )


def number_of(frame_packet):
    return int.from_bytes(frame_packet.payload[1:], "little")


class Listener:
    """Puts packets at their times of arrival and pulls a frame each 20 ms from ``first_tick`` on."""

    def __init__(self, lateness=None):
        self.jitter = Jitter(lateness or Lateness())
        self.played = []  # numbers, or the kind where nothing was decoded
        self.when = {}

    def run(self, arrivals, *, until=None, first_tick=None):
        arrivals = sorted(arrivals, key=lambda arrival: arrival[0])
        begin = arrivals[0][0] + self.jitter.lateness.target if first_tick is None else first_tick
        end = arrivals[-1][0] + 1.0 if until is None else until
        tick = begin
        while tick <= end + 1e-9 and not self.jitter.finished:
            while arrivals and arrivals[0][0] <= tick:
                at, item = arrivals.pop(0)
                self.jitter.put(item, 960, at)
            self.tick(tick)
            tick += TICK
        return self.played

    def tick(self, now):
        frame = self.jitter.pull(now)
        if frame is None:
            return
        if frame.kind is Kind.PLAY:
            self.played.append(number_of(frame.packet))
            self.when[number_of(frame.packet)] = now
        elif frame.kind is Kind.MERGE:
            self.played.append((number_of(frame.packet), number_of(frame.second)))
        elif frame.kind is Kind.RECOVER:
            self.played.append(f"fec<{number_of(frame.packet)}")
        else:
            self.played.append("plc")


def used_to_a_good_network():
    lateness = Lateness()
    for _ in range(300):
        lateness.add(0.001)
    return lateness


def stream(count, *, start=0.0, first=0, levels=None, late=None, pre_roll=0):
    """``count`` packets 20 ms apart; the first ``pre_roll`` come together with the next."""
    late = late or {}
    found = []
    for n in range(count):
        at = start + TICK * max(n - pre_roll, 0) + late.get(n, 0.0)
        level = levels[n] if levels else SPEECH
        item = packet(first + n, level=level, last=n == count - 1, pre_roll=n < pre_roll)
        found.append((at, item))
    return found


class Player(Listener):
    """A listener whose frames last as long as they are played: a period is 8 ms, found in each."""

    PERIOD = 0.008

    def __init__(self, lateness=None):
        super().__init__(lateness)
        self.ends_at = None
        self.speeds = []  # (when, Speed)
        self.delays = []  # (when, seconds behind the earliest possible)

    def tick(self, now):
        """Give frames until 20 ms more are filled."""
        self.ends_at = max(self.ends_at or now, now)
        while self.ends_at < now + TICK - 1e-9:
            at = self.ends_at
            frame = self.jitter.pull(now, at - now)
            if frame is None:
                return
            if frame.kind is Kind.CONCEAL:
                self.played.append("plc")
            elif frame.kind is Kind.PLAY:
                self.played.append(number_of(frame.packet))
                self.delays.append((at, at - number_of(frame.packet) * TICK))
                self.speeds.append((at, frame.speed))
            change = {Speed.QUICKER: -self.PERIOD, Speed.SLOWER: self.PERIOD}
            self.ends_at = at + TICK + change.get(frame.speed, 0.0)

    def changes(self, speed):
        return [at for at, one in self.speeds if one is speed]
