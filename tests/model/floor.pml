/*
 * The floor across gateways: election, terms, tokens, hand-over and the fence at the receivers.
 *
 * Two gateways, 0 and 1, each with one talker and each a receiver of both; both may control, 0 has the
 * better name. A broker retains FloorStates and tells who is online. Gateways lose the broker and find
 * it again, gateways and the broker die and start again, in any order, as often as FAULTS allows; each
 * talker asks ASKS times. Messages to one gateway come in order, up to three late; voice goes by itself,
 * overtakes them and is lost at will. All times of the rules (settling, heir, linger, grace, a term's
 * storing) may be as short or as long as the scheduler likes.
 *
 * The names are those of gateway/voice: control.py, floor.py, terms.py, tokens.py, leaf.py,
 * participant.py. A token is one byte, four grants to a term, so that it orders as the contract says.
 * NO_WIRES makes a smaller space, in which wires hold and only gateways and the broker die.
 *
 * Controls, each of which must be found wrong:
 *   NO_GATE   receivers play whatever comes
 *   NO_TERM   a controller grants under its term although another's is as high
 *   NO_STORE  a gateway that starts again does not know the terms it has had (needs two faults: a kill
 *             and a broker that has forgotten)
 */

#ifndef ASKS
#define ASKS 2
#endif
#ifndef FAULTS
#define FAULTS 2
#endif

#define NOBODY 3
#define TOKEN(term, grant) ((term) * 4 + (grant))
#define TERM(token) ((token) / 4)
#define MAX_TERM 12
#define ROOM 8

mtype = { STATE, CLEAR, PRESENCE, REQUEST, RELEASE, GRANTED, DENIED, REVOKED };
mtype = { SILENT, ASKING, TALKING };

chan to[2] = [ROOM] of { mtype, byte, byte, byte, bit };  /* what, client, token, talker, live */

/* The broker: who is online, and what each gateway's FloorState is. */
bit online[2] = 1;
bit kept[2];
byte kept_token[2], kept_talker[2] = NOBODY;
bit kept_live[2];

/* A gateway. `up` its process, `conn` its broker; `disk` outlives it. */
bit up[2] = 1, conn[2] = 1, settled[2] = 1;
byte disk[2];
bit sees[2] = 1;                   /* the other one is online, as far as it knows */
byte ctl[2] = 0;           /* whom it takes for the controller */
byte term[2], grant[2], seen[2], storing[2];
bit leads[2], waits[2];          /* waits: a request that waits for a term, one bit a talker */
byte waiting[2];
byte burst[2] = NOBODY, heir[2] = NOBODY;
bit other[2];                    /* what the other gateway shows, as far as it knows */
byte other_token[2], other_talker[2] = NOBODY;
bit other_live[2];
bit lingers[2];                  /* its leaf still says what the controller has yet to learn */
mtype stage[2] = SILENT;
byte mine[2];                    /* the token it talks under */
byte asks[2] = ASKS;
byte yielded[2];

/* The gate of a receiver. */
byte gate[2], gate_by[2], gate_talker[2] = NOBODY;
byte loose[2], loose_client[2] = NOBODY;   /* the unconfirmed talker that is playing */
byte last_client[2] = NOBODY, last_token[2];

byte faults = FAULTS;
byte i;

#define PUBLIC(g) (leads[g] && conn[g] && settled[g])
/* Nobody is further behind than a few messages. */
#define ROOMY (len(to[0]) <= ROOM - 5 && len(to[1]) <= ROOM - 5)
#define FRESH(g) (term[g] > 0 && term[g] > seen[g] && grant[g] < 3)
#define OTHER(g) (1 - (g))

inline tell(at, word, whose, which, named, force) {
    if
    :: conn[at] -> assert(nfull(to[at])); to[at]!word,whose,which,named,force
    :: else -> skip
    fi
}

inline publish(now_token, now_talker, now_live) {
    if
    :: conn[g] ->
        kept[g] = 1; kept_token[g] = now_token; kept_talker[g] = now_talker; kept_live[g] = now_live;
        tell(OTHER(g), STATE, g, now_token, now_talker, now_live)
    :: else -> skip
    fi
}

inline unpublish() {
    if
    :: conn[g] && kept[g] ->
        kept[g] = 0; kept_token[g] = 0; kept_talker[g] = NOBODY; kept_live[g] = 0;
        tell(OTHER(g), CLEAR, g, 0, NOBODY, 0)
    :: else -> skip
    fi
}

/* tokens.py: a controller's word moves the gate, never backwards. */
inline confirm(rx, said, by, has) {
    if
    :: said > gate[rx] || (said == gate[rx] && by >= gate_by[rx]) ->
        gate[rx] = said; gate_by[rx] = by;
        if
        :: has != NOBODY -> gate_talker[rx] = has
        :: else -> skip
        fi;
        if
        :: loose_client[rx] != NOBODY && loose[rx] <= said -> loose[rx] = 0; loose_client[rx] = NOBODY
        :: else -> skip
        fi
    :: else -> skip
    fi
}

/* A talker that has stopped is heard no more; tokens.py waits QUIET for that. */
inline forget(rx) {
    if
    :: loose_client[rx] == g -> loose[rx] = 0; loose_client[rx] = NOBODY
    :: else -> skip
    fi;
    if
    :: last_client[rx] == g -> last_token[rx] = 0; last_client[rx] = NOBODY
    :: else -> skip
    fi
}

inline silence() { stage[g] = SILENT; mine[g] = 0; forget(0); forget(1) }

/* terms.py: one more than the highest that was stored or seen. */
inline take_term() {
    if
    :: storing[g] == 0 ->
        storing[g] = (disk[g] > seen[g] -> disk[g] : seen[g]);
        storing[g] = (term[g] > storing[g] -> term[g] : storing[g]) + 1;
        assert(storing[g] <= MAX_TERM)
    :: else -> skip
    fi
}

inline state_floor() {
    if
    :: leads[g] && term[g] > 0 && heir[g] == NOBODY ->
        confirm(g, TOKEN(term[g], grant[g]), g, burst[g]);
        lingers[g] = 0;
        if
        :: PUBLIC(g) || burst[g] != NOBODY ->
            publish(TOKEN(term[g], grant[g]), burst[g], burst[g] != NOBODY)
        :: else -> skip
        fi
    :: else -> skip
    fi
}

inline give(gt) {
    if
#ifdef NO_TERM
    :: term[g] > 0 && grant[g] < 3 ->
#else
    :: FRESH(g) ->
#endif
        heir[g] = NOBODY; grant[g]++; burst[g] = gt;
        state_floor();
        if
        :: gt == g -> stage[gt] = TALKING; mine[gt] = TOKEN(term[g], grant[g])
        :: else -> tell(gt, GRANTED, g, TOKEN(term[g], grant[g]), gt, 1)
        fi
    :: else -> take_term(); waiting[g] = waiting[g] | (1 << gt)
    fi
}

inline deny(dt) {
    if
    :: dt == g -> silence()
    :: else -> tell(dt, DENIED, g, TOKEN(term[g], grant[g]), dt, 0)
    fi
}

/* floor.py: who asks again is granted again; who finds it taken is denied. */
inline decide(ct) {
    if
    :: burst[g] == ct ->
        state_floor();
        if
        :: ct == g -> stage[ct] = TALKING; mine[ct] = TOKEN(term[g], grant[g])
        :: else -> tell(ct, GRANTED, g, TOKEN(term[g], grant[g]), ct, 1)
        fi
    :: burst[g] != ct && burst[g] != NOBODY -> deny(ct)
    :: burst[g] == NOBODY && heir[g] != NOBODY && heir[g] != ct -> deny(ct)
    :: else -> give(ct)
    fi
}

inline release_at(rt) {
    waiting[g] = waiting[g] & (3 - (1 << rt));
    if
    :: heir[g] == rt -> heir[g] = NOBODY
    :: else -> skip
    fi;
    if
    :: burst[g] == rt -> burst[g] = NOBODY; state_floor()
    :: else -> skip
    fi
}

inline ask() {
    if
    :: ctl[g] == g && leads[g] -> decide(g)
    :: else -> tell(OTHER(g), REQUEST, g, 0, g, 0)
    fi
}

inline give_back() {
    if
    :: ctl[g] == g && leads[g] -> release_at(g)
    :: else -> tell(OTHER(g), RELEASE, g, 0, g, 0)
    fi
}

/* control.py, rule 2: the talker of the newest grant that is known, unless its client has gone. */
inline find_heir() {
    heir[g] = NOBODY;
    if
    :: other[g] && other_live[g] && other_talker[g] != NOBODY && sees[g] -> heir[g] = other_talker[g]
    :: else ->
        if
        :: stage[g] == TALKING && mine[g] == gate[g] -> heir[g] = g
        :: else -> skip
        fi
    fi
}

inline lead() {
    leads[g] = 1; lingers[g] = 0; burst[g] = NOBODY; waiting[g] = 0; yielded[g] = 0;
    find_heir()
}

inline cede() {
    leads[g] = 0; burst[g] = NOBODY; heir[g] = NOBODY; waiting[g] = 0;
    term[g] = 0; grant[g] = 0; storing[g] = 0;
    lingers[g] = kept[g]
}

/* control.py, rule 2: another gateway shows a newer grant in force. */
inline yield() {
    if
    :: PUBLIC(g) && other[g] && other_live[g] && sees[g] && other_talker[g] != NOBODY &&
       other_token[g] != yielded[g] &&
       (other_token[g] > TOKEN(term[g], grant[g]) ||
           (other_token[g] == TOKEN(term[g], grant[g]) && OTHER(g) > g)) ->
        yielded[g] = other_token[g];
        if
        :: burst[g] == g -> silence()
        :: burst[g] == OTHER(g) -> tell(OTHER(g), REVOKED, g, TOKEN(term[g], grant[g]), OTHER(g), 0)
        :: else -> skip
        fi;
        burst[g] = NOBODY;
        heir[g] = other_talker[g];
        if
        :: !FRESH(g) -> take_term()
        :: else -> skip
        fi;
        if  /* our own talker is the heir of the newer grant, and hears so at once */
        :: heir[g] == g && stage[g] != SILENT -> decide(g)
        :: else -> skip
        fi
    :: else -> skip
    fi
}

/* control.py: what the elected controller shows. A newer grant known here is lent to it. */
inline believe() {
    if
    :: other_token[g] > gate[g] || (other_token[g] == gate[g] && OTHER(g) >= gate_by[g]) ->
        confirm(g, other_token[g], OTHER(g), other_talker[g]);
        if
        :: lingers[g] && other_token[g] > kept_token[g] -> lingers[g] = 0; unpublish()
        :: else -> skip
        fi;
        if  /* participant.py: the controller shows that the grant is over */
        :: stage[g] == TALKING && other_token[g] >= mine[g] &&
           !(other_live[g] && other_talker[g] == g) -> silence()
        :: else -> skip
        fi
    :: else ->
        if
        :: gate_by[g] == g && !(kept[g] && kept_token[g] >= gate[g]) ->
            lingers[g] = 1; publish(gate[g], NOBODY, 0)
        :: else -> skip
        fi
    fi
}

/* election.py */
inline elect() {
    was = ctl[g];
    if
    :: !conn[g] -> ctl[g] = g
    :: conn[g] && settled[g] -> ctl[g] = (g == 0 -> 0 : (sees[g] -> 0 : 1))
    :: conn[g] && !settled[g] && ctl[g] != g -> ctl[g] = ((g == 1 && sees[g]) -> 0 : NOBODY)
    :: else -> skip
    fi;
    if
    :: ctl[g] == g && !leads[g] -> lead()
    :: ctl[g] != g && leads[g] -> cede()
    :: else -> skip
    fi;
    if
    :: PUBLIC(g) && !FRESH(g) -> take_term()
    :: else -> skip
    fi;
    if
    :: ctl[g] != was && ctl[g] != NOBODY ->
        if
        :: ctl[g] != g && other[g] -> believe()
        :: else -> skip
        fi;
        if
        :: stage[g] != SILENT -> ask()  /* participant.py, rule 4 */
        :: else -> skip
        fi
    :: else -> skip
    fi;
    yield()
}

/* tokens.py: whether a packet is played. One talker at a time: the assertion is what users hear. */
inline admit(rx, from, under, plays) {
    plays = 0;
#ifdef NO_GATE
    plays = 1;
#else
    if
    :: under > gate[rx] ->
        if
        :: loose_client[rx] == NOBODY || under > loose[rx] ||
           (under == loose[rx] && from >= loose_client[rx]) ->
            loose[rx] = under; loose_client[rx] = from; plays = 1
        :: else -> skip
        fi
    :: under == gate[rx] && gate_talker[rx] == from && loose_client[rx] == NOBODY -> plays = 1
    :: else -> skip
    fi;
#endif
    if
    :: plays ->
        assert(last_client[rx] == NOBODY || last_client[rx] == from || under > last_token[rx] || (under == last_token[rx] && from > last_client[rx]) ||
               (under == last_token[rx] && gate[rx] == under && gate_talker[rx] == from));
        last_client[rx] = from; last_token[rx] = under
    :: else -> skip
    fi
}

/* The other gateway hears our talker; as the controller it tells one that has no grant (floor.py, rule 6). */
inline hear() {
    admit(OTHER(g), g, mine[g], play);
    if
    :: !play && PUBLIC(OTHER(g)) && burst[OTHER(g)] != g -> tell(g, REVOKED, OTHER(g), mine[g], g, 0)
    :: else -> skip
    fi
}

proctype Gateway(byte g) {
    mtype what;
    byte client, token, talker, was;
    bit live, play;
    do
    /* The talker. */
    :: atomic { ROOMY && up[g] && stage[g] == SILENT && asks[g] > 0 && ctl[g] != NOBODY ->
            asks[g]--; stage[g] = ASKING; ask() }
    :: atomic { ROOMY && up[g] && stage[g] == TALKING -> silence(); give_back() }
    :: atomic { ROOMY && up[g] && stage[g] == ASKING && len(to[g]) == 0 && len(to[OTHER(g)]) == 0 && storing[0] == 0 && storing[1] == 0 && ctl[g] != NOBODY -> /* T101 */
            silence(); give_back() }
    :: atomic { ROOMY && up[g] && stage[g] == TALKING ->
            admit(g, g, mine[g], play);
            if
            :: conn[g] ->
                if
                :: conn[OTHER(g)] -> hear()
                :: skip  /* lost */
                fi
            :: else -> skip
            fi;
            client = 0; play = 0 }

    /* Time. */
    :: atomic { ROOMY && up[g] && storing[g] > 0 ->
            disk[g] = (storing[g] > disk[g] -> storing[g] : disk[g]);
            was = storing[g]; storing[g] = 0;
            if
            :: was > seen[g] ->
                term[g] = was; grant[g] = 0;
                if
                :: burst[g] != NOBODY ->  /* granted again under the new term */
                    grant[g]++; state_floor(); 
                    if
                    :: burst[g] == g -> mine[g] = (stage[g] == SILENT -> 0 : TOKEN(term[g], grant[g]));
                        stage[g] = (stage[g] == SILENT -> SILENT : TALKING)
                    :: else -> tell(OTHER(g), GRANTED, g, TOKEN(term[g], grant[g]), OTHER(g), 1)
                    fi
                :: else -> state_floor()
                fi;
                was = waiting[g]; waiting[g] = 0;
                if
                :: was & (1 << g) && stage[g] != SILENT -> decide(g)
                :: else -> skip
                fi;
                if
                :: was & (1 << OTHER(g)) -> decide(OTHER(g))
                :: else -> skip
                fi
            :: else ->
                if
                :: leads[g] && !FRESH(g) -> take_term()
                :: else -> skip
                fi
            fi;
            was = 0 }
    :: atomic { ROOMY && up[g] && leads[g] && heir[g] != NOBODY -> heir[g] = NOBODY; state_floor() }
    :: atomic { ROOMY && up[g] && leads[g] && burst[g] != NOBODY && !(stage[burst[g]] == TALKING && up[burst[g]]) && len(to[burst[g]]) == 0 ->
            burst[g] = NOBODY; state_floor() }  /* T1 */
    :: atomic { ROOMY && up[g] && conn[g] && lingers[g] -> lingers[g] = 0; unpublish() }
    :: atomic { ROOMY && up[g] && conn[g] && !settled[g] && len(to[g]) == 0 ->
            settled[g] = 1; elect(); state_floor(); was = 0 }
    :: atomic { ROOMY && up[g] && ctl[g] == NOBODY && !conn[g] -> elect(); was = 0 }

    /* The broker's messages. */
    :: atomic { len(to[OTHER(g)]) <= ROOM - 4 && up[g] && conn[g] && nempty(to[g]) -> to[g]?what,client,token,talker,live;
            if
            :: what == STATE && client == g -> /* of an earlier life */
                seen[g] = (TERM(token) > seen[g] -> TERM(token) : seen[g])
            :: what == STATE && client != g ->
                other[g] = 1; other_token[g] = token; other_talker[g] = talker; other_live[g] = live;
                seen[g] = (TERM(token) > seen[g] -> TERM(token) : seen[g]);
                if
                :: PUBLIC(g) && !live && burst[g] != NOBODY && !FRESH(g) -> take_term()
                :: else -> skip
                fi;
                if
                :: ctl[g] == client -> believe()
                :: else -> yield()
                fi
            :: what == CLEAR && client != g ->
                other[g] = 0; other_token[g] = 0; other_talker[g] = NOBODY; other_live[g] = 0
            :: what == PRESENCE ->
                sees[g] = (g == 0 -> (token & 2) : (token & 1)) != 0;
                if
                :: !sees[g] && burst[g] == OTHER(g) -> burst[g] = NOBODY; state_floor()
                :: else -> skip
                fi;
                if
                :: !sees[g] && heir[g] == OTHER(g) -> heir[g] = NOBODY; state_floor()
                :: else -> skip
                fi;
                elect()
            :: what == REQUEST ->
                if
                :: PUBLIC(g) -> decide(client)
                :: else -> skip  /* who asks, asks again when the controller has changed */
                fi
            :: what == RELEASE ->
                if
                :: leads[g] -> release_at(client)
                :: else -> skip
                fi
            :: what == GRANTED && ctl[g] == client ->
                seen[g] = (TERM(token) > seen[g] -> TERM(token) : seen[g]);
                confirm(g, token, client, g);
                if
                :: stage[g] == SILENT -> tell(OTHER(g), RELEASE, g, 0, g, 0)
                :: stage[g] != SILENT && token >= mine[g] -> stage[g] = TALKING; mine[g] = token
                :: else -> skip
                fi
            :: what == DENIED && ctl[g] == client && stage[g] != SILENT -> silence()
            :: what == REVOKED && ctl[g] == client && stage[g] == TALKING && token >= mine[g] ->
                silence()
            :: else -> skip
            fi;
            what = STATE; client = 0; token = 0; talker = 0; live = 0; was = 0 }

    od
}

inline presence() {
    tell(0, PRESENCE, NOBODY, online[0] + 2 * online[1], NOBODY, 0);
    tell(1, PRESENCE, NOBODY, online[0] + 2 * online[1], NOBODY, 0);
}

inline drain() {
    do
    :: nempty(to[g]) -> to[g]?_,_,_,_,_
    :: empty(to[g]) -> break
    od
}

inline retained(whom) {
    if
    :: kept[whom] -> tell(g, STATE, whom, kept_token[whom], kept_talker[whom], kept_live[whom])
    :: else -> skip
    fi
}

inline connect() {
    conn[g] = 1; settled[g] = 0; online[g] = 1;
    retained(0); retained(1);
    if  /* everything retained is published again on every connect */
    :: leads[g] && term[g] > 0 && burst[g] != NOBODY && heir[g] == NOBODY ->
        publish(TOKEN(term[g], grant[g]), burst[g], 1)
    :: else -> unpublish()
    fi;
    presence()
}

inline lose() {
    conn[g] = 0; settled[g] = 0; online[g] = 0; sees[g] = 0; lingers[g] = 0;
    other[g] = 0; other_token[g] = 0; other_talker[g] = NOBODY; other_live[g] = 0;
    drain();
    presence()
}

/* A gateway without the broker controls its own endpoints. */
inline cut_off() {
    if
    :: burst[g] == OTHER(g) -> burst[g] = NOBODY
    :: else -> skip
    fi;
    if
    :: heir[g] == OTHER(g) -> heir[g] = NOBODY
    :: else -> skip
    fi;
    waiting[g] = waiting[g] & (1 << g);
    elect()
}

/* kill -9, and its start */
inline kill() {
    ctl[g] = NOBODY; leads[g] = 0; burst[g] = NOBODY; heir[g] = NOBODY; waiting[g] = 0;
    term[g] = 0; grant[g] = 0; seen[g] = 0; storing[g] = 0; yielded[g] = 0;
#ifdef NO_STORE
    disk[g] = 0;
#endif
    silence();
    gate[g] = 0; gate_by[g] = 0; gate_talker[g] = NOBODY;
    loose[g] = 0; loose_client[g] = NOBODY; last_client[g] = NOBODY; last_token[g] = 0
}

/* Faults, and what brings a gateway back. */
proctype World() {
    byte g, was;
    do
    :: atomic { ROOMY && up[0] && !conn[0] -> g = 0; connect() }
    :: atomic { ROOMY && up[1] && !conn[1] -> g = 1; connect() }
#ifndef NO_WIRES
    :: atomic { ROOMY && faults > 0 && up[0] && conn[0] -> faults--; g = 0; lose(); cut_off(); g = 0; was = 0 }
    :: atomic { ROOMY && faults > 0 && up[1] && conn[1] -> faults--; g = 1; lose(); cut_off(); g = 0; was = 0 }
#endif
    :: atomic { ROOMY && faults > 0 && conn[0] && conn[1] -> faults--;  /* the broker, with all it kept */
            kept[0] = 0; kept_token[0] = 0; kept_talker[0] = NOBODY; kept_live[0] = 0;
            kept[1] = 0; kept_token[1] = 0; kept_talker[1] = NOBODY; kept_live[1] = 0;
            conn[0] = 0; conn[1] = 0;
            g = 0; lose(); cut_off(); g = 1; lose(); cut_off(); g = 0; was = 0 }
    :: atomic { ROOMY && faults > 0 && conn[0] -> faults--; g = 0; lose(); kill(); g = 0 }
    :: atomic { ROOMY && faults > 0 && conn[1] -> faults--; g = 1; lose(); kill(); g = 0 }
    od
}

/*
 * Once nothing is under way any more: everybody takes the same gateway for the controller, whoever
 * talks by its grant is heard by all, and nobody hears two.
 */
#define QUIET (len(to[0]) + len(to[1]) == 0 && conn[0] && conn[1] && settled[0] && settled[1] && storing[0] == 0 && storing[1] == 0 && heir[0] == NOBODY && !lingers[0] && !lingers[1] && stage[0] != ASKING && stage[1] != ASKING)
#define HEARD(r, t) (mine[t] > gate[r] || (mine[t] == gate[r] && gate_talker[r] == t))
#define HOLDS(t) (burst[0] == (t) && stage[t] == TALKING && mine[t] == TOKEN(term[0], grant[0]))

proctype Judge() {
    do
    :: atomic { QUIET ->
            assert(ctl[0] == 0 && ctl[1] == 0 && leads[0] && !leads[1]);
            assert(!HOLDS(0) || (HEARD(0, 0) && HEARD(1, 0)));
            assert(!HOLDS(1) || (HEARD(0, 1) && HEARD(1, 1)));
            assert(stage[0] != TALKING || stage[1] != TALKING || !((HEARD(0, 0) && HEARD(0, 1)) || (HEARD(1, 0) && HEARD(1, 1)))) }
    od
}

init {
    atomic {
        leads[0] = 1; disk[0] = 1; term[0] = 1;
        run Gateway(0); run Gateway(1); run World(); run Judge()
    }
}
