"""What an announcement says, phrase by phrase, in the words of each language. Pure.

Rules:

1. The order is the listener's: where (site, place), what (kind), how wide (level). A drill says so
   first and last, so that neither who hears only the beginning nor who comes late takes it for real.
   A covert one says that the place must not notice.
2. Each phrase is rendered and kept by itself: 2,878 sites and 3 levels are 2,881 phrases, not 8,634.
3. A piece of a name is read by the voice of its script: Latin words in a Chinese name by the English
   voice (the Mandarin one would read them as pinyin), Chinese characters in an English name by the
   Mandarin one. Abbreviations are spelled in the language of the announcement, and a number is read
   in that of what stands before it.
4. Three digits and more, or with a zero in front, are read one by one, as rooms and numbers of
   telephones are said (in Chinese with 幺 for 1); shorter ones as a number.
5. What an identifier joins with a hyphen is two words. Everything that is no letter, digit or
   apostrophe only separates: nothing in a name can be an instruction to whoever renders it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]

MAX_CHARACTERS = 60
"""Of one name: half a minute of speech is no announcement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is to be announced; names are for people, None where there is none."""

    site: str | None
    place: str | None
    category: str | None
    level: str | None
    drill: bool = False
    covert: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """What one voice says in one breath."""

    language: Language
    text: str


@dataclass(frozen=True, slots=True)
class _Words:
    drill: str
    covert: str
    alarm: str
    """What an alarm of a kind that has no word here is."""
    kinds: dict[str, str]


_WORDS: dict[Language, _Words] = {
    "zh": _Words(
        drill="演练",
        covert="静默报警，不要惊动现场",
        alarm="报警",
        kinds={
            "panic": "紧急报警",
            "duress": "胁迫报警",
            "assist": "请求协助",
            "fire": "火警",
            "medical": "医疗急救",
            "burglary": "入侵报警",
            "gas": "燃气报警",
            "water": "水浸报警",
            "dispute": "纠纷",
            "violence": "暴力事件",
            "roll-call": "点名",
            "trouble": "设备故障",
            "supervision": "设备失联",
            "unconfirmed": "待确认报警",
            "touch": "误触",
            "test": "测试",
        },
    ),
    "en": _Words(
        drill="This is a drill",
        covert="silent alarm, stay unseen",
        alarm="alarm",
        kinds={
            "panic": "panic alarm",
            "duress": "duress alarm",
            "assist": "assistance requested",
            "fire": "fire alarm",
            "medical": "medical emergency",
            "burglary": "intrusion alarm",
            "gas": "gas alarm",
            "water": "water alarm",
            "dispute": "dispute",
            "violence": "violence",
            "roll-call": "roll call",
            "trouble": "equipment fault",
            "supervision": "equipment not heard",
            "unconfirmed": "unconfirmed alarm",
            "touch": "chance touch",
            "test": "test",
        },
    ),
}

LANGUAGES: tuple[Language, ...] = ("zh", "en")

_HAN = "㐀-鿿豈-﫿\U00020000-\U0003134f"
_TOKEN = re.compile(rf"[{_HAN}]+|(?:(?![{_HAN}])[^\W\d_])+(?:'[^\W\d_]+)*|\d+")
_CHINESE = re.compile(f"[{_HAN}]")
_DIGITS = "零幺二三四五六七八九"


def phrases(notice: Notice, language: Language) -> tuple[Phrase, ...]:
    """What is said of ``notice``, in order (rule 1)."""
    words = _WORDS[language]
    drill = (Phrase(language, words.drill),) if notice.drill else ()
    covert = (Phrase(language, words.covert),) if notice.covert else ()
    return (
        *drill,
        *_read(notice.site, language),
        *_read(notice.place, language),
        *kind_phrases(notice.category, language),
        *covert,
        *_read(notice.level, language),
        *drill,
    )


def kind_phrases(category: str | None, language: Language) -> tuple[Phrase, ...]:
    """What an alarm of ``category`` is called."""
    words = _WORDS[language]
    known = words.kinds.get(category or "")
    if known is not None:
        return (Phrase(language, known),)
    return _joined((*_read(category, language), Phrase(language, words.alarm)))


def vocabulary(
    language: Language,
    *,
    levels: Iterable[str] = (),
    categories: Iterable[str] = (),
    sites: Iterable[str] = (),
    places: Iterable[str] = (),
) -> Iterator[Phrase]:
    """Every phrase that announcements of these may need; the ones that most of them share first."""
    words = _WORDS[language]
    yield Phrase(language, words.drill)
    yield Phrase(language, words.covert)
    for category in categories:
        yield from kind_phrases(category, language)
    for name in (*levels, *sites, *places):
        yield from _read(name, language)


def known_kinds(language: Language) -> Iterator[Phrase]:
    """What alarms of every kind that has a word are called: a person may raise any of them by hand."""
    for category in _WORDS[language].kinds:
        yield from kind_phrases(category, language)


def default_language(name: str) -> Language:
    """The language of a group called ``name`` that names none: Chinese where it has a character."""
    return "zh" if any(_is_chinese(character) for character in name) else "en"


def _read(name: str | None, language: Language) -> tuple[Phrase, ...]:
    """A name as it is spoken (rules 3 to 5)."""
    if name is None:
        return ()
    text = unicodedata.normalize("NFKC", name)[:MAX_CHARACTERS]
    pieces: list[Phrase] = []
    for token in _TOKEN.findall(text):
        pieces.append(_piece(token, language, pieces[-1].language if pieces else language))
    return _joined(pieces)


def _piece(token: str, language: Language, before: Language) -> Phrase:
    if token[0].isdigit():
        return Phrase(before, _number(token, before))
    if _is_chinese(token[0]):
        return Phrase("zh", token)
    if len(token) == 1 or (token.isupper() and len(token) <= 5):
        return Phrase(language, " ".join(token))  # an abbreviation is spelled
    return Phrase("en", token)


def _number(digits: str, language: Language) -> str:
    ascii_digits = "".join(str(unicodedata.digit(one)) for one in digits)
    if len(ascii_digits) < 3 and not (len(ascii_digits) == 2 and ascii_digits[0] == "0"):
        return ascii_digits
    if language == "zh":
        return "".join(_DIGITS[int(one)] for one in ascii_digits)
    return " ".join(ascii_digits)


def _joined(pieces: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """Neighbours of one voice in one breath."""
    found: list[Phrase] = []
    for piece in pieces:
        if found and found[-1].language == piece.language:
            apart = "" if _touches(found[-1].text, piece.text) else " "
            found[-1] = Phrase(piece.language, found[-1].text + apart + piece.text)
        else:
            found.append(piece)
    return tuple(found)


def _touches(before: str, after: str) -> bool:
    """Chinese is written without spaces, also around a number."""
    return any(_is_chinese(one) for one in (before[-1], after[0]))


def _is_chinese(character: str) -> bool:
    return _CHINESE.match(character) is not None
