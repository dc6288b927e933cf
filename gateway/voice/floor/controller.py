"""The floor controller of one talkgroup: who may talk, for how long, and who is told no. Pure.

Rules (contract "The floor"; TS 24.380, whose timers `Burst` keeps; docs/voice.md has the table of
states and events, made from this machine, and every deviation):

1. One talker at a time. Whoever finds the floor idle, or in its hang time, is granted at once.
2. While somebody talks, only a strictly higher priority pre-empts. The talker is revoked (cause 4)
   and the floor goes to the pre-emptor at the talker's release, or after the grace of T3. Everybody
   else waits where there is room in the queue, or is denied (cause 1; 7 where there is a queue and
   it is full). A pre-emptor waits even where there is no queue, and in front of everybody.
3. The queue is by priority, then by arrival. Each who waits is told its place when it comes, when
   the place changes, and when it asks. Who comes to a full queue with a higher priority takes the
   last one's place.
4. A burst ends at its release; when nothing is heard for 4 s after the grant or for 0.8 s after a
   packet (T1: no revoke); when its client goes offline; or by a revoke. The next in the queue then
   has the floor with no idle between, and is told so again each second until it acknowledges or
   speaks (T20). Else hang time begins, and after it idle. A grant under which T1 heard nothing
   leaves no conversation to keep the floor for: idle at once.
5. The talk limit (T2) counts from the first media packet. It revokes (cause 2), and denies the
   same talker (cause 4) for `FloorOptions.retry_after`, except in an emergency.
6. The talker who asks again is granted again, under the same grant, with the time that is left. It
   may raise its priority by that, not lower it: those who wait could not pre-empt it when they came.
7. Media from anybody else is answered with a revoke (cause 3), at most once a second.
8. Each grant has a token of its own, under a term that is ours alone (`Terms`). If that is no
   longer so, we take a new term before the next grant; a burst that receivers may thereby lose is
   granted again under it.
9. If another controller's newer grant is seen (two parts of a network have joined), ours is
   revoked (cause 1): the newer token wins everywhere.
10. When control passes to us in the middle of a burst, its talker, the heir, has `HEIR_WAIT` to ask
   us; meanwhile only a strictly higher priority than the heir's is granted anything, and others
   wait where there is a queue.
11. An event that means nothing in a state changes nothing and is a `Stray`.

``now`` is seconds on any clock that never goes back. Before `lead` and after `cede` the machine
controls nothing and answers nobody.
"""

from __future__ import annotations

from gateway.voice.floor import answers
from gateway.voice.floor.actions import (
    Action,
    FloorOptions,
    Heir,
    Request,
    Show,
    State,
    StoreTerm,
    Stray,
    client_of,
)
from gateway.voice.floor.burst import GRANT_RESENDS, Burst
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.penalties import Until
from gateway.voice.floor.request_queue import FloorQueue
from gateway.voice.floor.terms import Terms
from gateway.voice.rtp import Token

HEIR_WAIT = 1.0
"""How long a former controller's talker is waited for: twice a starting gateway's own wait."""
STRAY_MEDIA_PAUSE = 1.0
"""Between two revokes to one client that sends without a grant."""
MAX_WAITING = 32
"""Requests kept while a term is being stored, a matter of milliseconds."""


class Floor:
    """One talkgroup's controller. ``term`` is the highest that is known to be on disk."""

    def __init__(self, options: FloorOptions, term: int = 0) -> None:
        self._options = options
        self._terms = Terms(term)
        self._leads = False
        self._state = State.IDLE
        self._burst: Burst | None = None
        self._queue = FloorQueue()
        self._waiting: dict[str, tuple[Request, int]] = {}  # could be granted, but for a term
        self._hang_until = 0.0
        self._conversation = (0, False)  # priority and emergency of the last burst
        self._heir: Heir | None = None
        self._heir_until = 0.0
        self._penalties = Until()
        self._told_off = Until()
        self._shown: Show | None = None
        self._out: list[Action] = []

    # What it is

    @property
    def leads(self) -> bool:
        """Whether this machine controls the talkgroup."""
        return self._leads

    @property
    def state(self) -> State:
        """The floor as its members should see it: an awaited heir still has it."""
        return State.TAKEN if self._heir is not None else self._state

    @property
    def talker(self) -> str | None:
        """Who has the floor."""
        if self._heir is not None:
            return self._heir.talker
        return None if self._burst is None else self._burst.request.talker

    @property
    def queue(self) -> tuple[str, ...]:
        """Who waits for it, in order."""
        return tuple(waiting.talker for waiting in self._queue)

    @property
    def token(self) -> Token:
        """The newest grant given, with grant 0 before the first; (0, 0) without a term."""
        return self._terms.token or Token(0, 0)

    def reconfigure(self, options: FloorOptions) -> None:
        """Change the options; a burst in progress lives by the new ones."""
        self._options = options

    # Who controls

    def lead(self, now: float, heir: Heir | None = None, *, eager: bool = True) -> list[Action]:
        """Control from now on. ``eager`` takes a term at once, else the first grant takes it."""
        if not self._leads:
            self._leads = True
            if heir is not None:
                self._expect(heir, now)
        if eager and not self._terms.fresh:
            self._take_term()
        return self._done()

    def cede(self) -> list[Action]:
        """Control no longer. Nobody is told: the talkers ask the new controller."""
        self._leads = False
        self._state = State.IDLE
        self._burst = self._heir = self._shown = None
        self._terms.drop()
        self._queue.clear()
        self._waiting.clear()
        self._penalties.clear()
        return self._done()

    def stored(self, term: int, now: float) -> list[Action]:
        """A term is on disk (or cannot be put there, and the caller has decided to go on)."""
        if self._terms.stored(term):
            if self._burst is not None and self._burst.cause is None:
                self._burst.renew(self._terms.grant(), now)
                self._answer_granted(self._burst, now)
            elif self._burst is not None:
                self._end(now)  # what a revoked talker still sends has an old token by now
            waiting, self._waiting = self._waiting, {}
            for request, resends in waiting.values():
                self._decide(request, now, resends=resends)
            if self._burst is None and self._heir is None:
                self._hand_over(now)  # who was next has left while the term was stored
        elif self._leads and not self._terms.fresh:
            self._take_term()  # another's was seen meanwhile
        return self._done()

    def seen(self, term: int, *, renew: bool = False) -> list[Action]:
        """Another controller's term was seen. ``renew``: receivers may believe it, so outdo it now."""
        if not self._terms.seen(term):
            return [Stray("term")]
        if renew and self._leads and self._burst is not None and not self._terms.fresh:
            self._take_term()
        return self._done()

    def overtaken(self, heir: Heir, now: float) -> list[Action]:
        """Another controller's newer grant is in force: ours ends, and its talker is to ask us."""
        if not self._leads:
            return [Stray("overtaken")]
        if self._burst is not None:
            self._answer_revoked(self._burst, Revoke.ONLY_ONE_CLIENT)
            self._burst = None
        self._state = State.IDLE
        self._expect(heir, now)
        if not self._terms.fresh:
            self._take_term()
        return self._done()

    # What members do

    def request(self, request: Request, now: float) -> list[Action]:
        """Somebody asks for the floor."""
        if not self._leads:
            return [Stray("request")]
        priority = min(request.priority, self._options.priority_cap)
        self._decide(Request(request.talker, priority, request.emergency, request.seq), now)
        return self._done()

    def release(self, talker: str, now: float) -> list[Action]:
        """Somebody gives back the floor, or takes back what was asked."""
        waited = self._waiting.pop(talker, None) is not None
        known = self._queue.remove(talker) or waited
        if self._heir is not None and self._heir.talker == talker:
            self._heir_gone(now)
        elif self._burst is not None and self._burst.request.talker == talker:
            self._end(now)
        elif not known:
            self._out.append(Stray("release"))
        return self._done()

    def position(self, talker: str, seq: int, now: float) -> list[Action]:
        """Somebody wants to know its place in the queue: who has the floor by now is told that."""
        burst = self._burst
        if not self._leads:
            return [Stray("queue position")]
        if burst is not None and burst.request.talker == talker and burst.cause is None:
            self._answer_granted(burst, now)
        elif not self._queue.ask(talker) and talker not in self._waiting:
            self._out.append(Stray("queue position"))
            self._deny(Request(talker, seq=seq), Deny.OTHER, retry_after=0.0)
        return self._done()

    def acknowledged(self, talker: str) -> list[Action]:
        """Somebody has been told of its grant: it need not be told again (T20)."""
        burst = self._burst
        if burst is None or burst.request.talker != talker:
            return [Stray("ack")]
        burst.acknowledged()
        return []

    def media(self, client: str, token: Token, now: float) -> bool:
        """Count a packet for the burst in progress; False where it is not of that burst."""
        burst = self._burst
        if burst is None or token != burst.token or client != burst.client:
            return False
        burst.media(now)
        return True

    def stray_media(self, client: str, talker: str, token: Token, now: float) -> list[Action]:
        """Tell a client that sends without a grant, under ``token``, to stop (rule 6)."""
        burst = self._burst
        if burst is not None and burst.client == client and burst.is_new(now):
            return []
        if not self._leads or self._told_off.left(client, now) > 0:
            return []
        self._told_off.set(client, now + STRAY_MEDIA_PAUSE, now)
        return [Stray("media"), answers.not_permitted(talker, token)]

    def offline(self, client: str, now: float) -> list[Action]:
        """A client has gone: its burst ends, its requests are forgotten."""
        self._queue.remove_client(client)
        self._waiting = {t: r for t, r in self._waiting.items() if client_of(t) != client}
        if self._heir is not None and client_of(self._heir.talker) == client:
            self._heir_gone(now)
        if self._burst is not None and self._burst.client == client:
            self._end(now)
        return self._done()

    # Time

    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        if not self._leads:
            return None
        if self._heir is not None:
            return self._heir_until
        if self._burst is not None:
            burst = self._burst
            times = (burst.over_at(), burst.too_long_at(self._options.tot), burst.resend_at())
            return min(time for time in times if time is not None)
        return self._hang_until if self._state is State.HANG else None

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self._heir is not None and now >= self._heir_until:
            self._heir_gone(now)
        elif self._burst is not None:
            self._tick_burst(self._burst, now)
        elif self._state is State.HANG and now >= self._hang_until:
            self._state = State.IDLE
        return self._done()

    def _tick_burst(self, burst: Burst, now: float) -> None:
        too_long_at, resend_at = burst.too_long_at(self._options.tot), burst.resend_at()
        if now >= burst.over_at():
            self._end(now, hang=burst.heard)
        elif too_long_at is not None and now >= too_long_at:
            penalty = now + self._options.retry_after
            self._penalties.set(burst.request.talker, penalty, now)
            self._revoke(burst, Revoke.MEDIA_BURST_TOO_LONG, now)
        elif resend_at is not None and now >= resend_at:
            burst.sent_again(now)
            if burst.cause is None:
                self._answer_granted(burst, now)
            else:
                self._answer_revoked(burst, burst.cause)

    # Decisions

    def _take_term(self) -> None:
        term = self._terms.want()
        if term is not None:
            self._out.append(StoreTerm(term))

    def _expect(self, heir: Heir, now: float) -> None:
        self._heir, self._heir_until = heir, now + HEIR_WAIT

    def _heir_gone(self, now: float) -> None:
        self._heir = None
        self._hand_over(now)

    def _hand_over(self, now: float) -> None:
        """The next in the queue has the floor, if anybody waits."""
        if self._queue:
            self._give(self._queue.pop(), now, resends=GRANT_RESENDS)

    def _decide(self, request: Request, now: float, *, resends: int = 0) -> None:
        burst = self._burst
        if burst is not None and burst.request.talker == request.talker:
            if burst.cause is None:
                burst.ask_again(request)
                self._answer_granted(burst, now)
                return
            self._end(now)  # it was revoked: asking anew says that it has stopped
            burst = self._burst
        penalty = self._penalties.left(request.talker, now)
        if penalty > 0 and not request.emergency:
            self._deny(request, Deny.RETRY_AFTER_NOT_EXPIRED, retry_after=penalty)
        elif burst is not None:
            if burst.cause is None and request.priority > burst.request.priority:
                self._revoke(burst, Revoke.PREEMPTED, now)
            self._enqueue(request)
        elif self._heir is not None and self._heir.keeps(request):
            self._enqueue(request)
        else:
            self._give(request, now, resends=resends)

    def _give(self, request: Request, now: float, *, resends: int = 0) -> None:
        if not self._terms.fresh:
            self._take_term()
            self._waiting[request.talker] = (request, resends)
            if len(self._waiting) > MAX_WAITING:
                del self._waiting[request.talker]
                self._deny(request, Deny.NO_RESOURCES)
            return
        self._queue.remove(request.talker)
        self._heir = None
        self._state = State.TAKEN
        token = self._terms.grant()
        self._burst = Burst(request, client_of(request.talker), token, now, resends)
        self._answer_granted(self._burst, now)

    def _enqueue(self, request: Request) -> None:
        self._queue.put(request)
        burst, first, room = self._burst, self._queue.first, self._options.queue_length
        revoked = burst is not None and burst.cause is not None
        if burst and revoked and first and first.priority > burst.request.priority:
            room += 1  # the pre-emptor's place
        full = Deny.QUEUE_FULL if self._options.queue_length else Deny.ANOTHER_HAS_PERMISSION
        for extra in self._queue.trim(room):
            self._deny(extra, full)

    def _revoke(self, burst: Burst, cause: Revoke, now: float) -> None:
        self._state = State.REVOKING
        burst.revoke(cause, now)
        self._answer_revoked(burst, cause)

    def _end(self, now: float, *, hang: bool = True) -> None:
        """The burst is over; the next in the queue, or the conversation, has the floor."""
        assert self._burst is not None
        request = self._burst.request
        self._burst = None
        self._conversation = (request.priority, request.emergency)
        self._state = State.HANG if hang and self._options.hang_time > 0 else State.IDLE
        self._hang_until = now + self._options.hang_time
        self._hand_over(now)

    # Answers

    def _answer_granted(self, burst: Burst, now: float) -> None:
        self._out.append(answers.granted(burst, self._options, now))

    def _answer_revoked(self, burst: Burst, cause: Revoke) -> None:
        self._out.append(answers.revoked(burst, cause, self._options))

    def _deny(self, request: Request, cause: Deny, *, retry_after: float | None = None) -> None:
        self._queue.remove(request.talker)  # an earlier request of it, in an emergency
        self._out.append(answers.denied(request, cause, self.token, retry_after=retry_after))

    def _done(self) -> list[Action]:
        """What an event has led to; the state first, so that nobody is told before it holds."""
        for waiting, place in self._queue.news():
            self._out.append(answers.position(waiting, place, self.token))
        out, self._out = self._out, []
        if not self._leads or self._terms.token is None or self._heir is not None:
            return out
        request = None if self._burst is None else self._burst.request
        priority, emergency = (0, False) if self._state is State.IDLE else self._conversation
        show = Show(
            state=self._state,
            talker=None if request is None else request.talker,
            priority=priority if request is None else request.priority,
            emergency=emergency if request is None else request.emergency,
            token=self.token,
            queue=self.queue,
        )
        if show != self._shown:
            self._shown = show
            out.insert(0, show)
        return out
