"""What is said, word for word."""

import pytest

from gateway.voice.announcing.wording import (
    MAX_CHARACTERS,
    Notice,
    Phrase,
    default_language,
    known_kinds,
    phrases,
    vocabulary,
)


def said(language, site=None, place=None, category="panic", level=None, **more):
    notice = Notice(site=site, place=place, category=category, level=level, **more)
    return [(phrase.language, phrase.text) for phrase in phrases(notice, language)]


def texts(language, name):
    """How a site's name alone is read."""
    return said(language, site=name, category=None)[:-1]


def test_chinese_announcement_says_where_what_and_how_wide():
    assert said("zh", "浙大一院", "南大门", level="吹哨响应") == [
        ("zh", "浙大一院"),
        ("zh", "南大门"),
        ("zh", "紧急报警"),
        ("zh", "吹哨响应"),
    ]


def test_english_announcement_says_where_what_and_how_wide():
    assert said("en", "First Hospital", "south-gate", "fire", "All call") == [
        ("en", "First Hospital"),
        ("en", "south gate"),
        ("en", "fire alarm"),
        ("en", "All call"),
    ]


@pytest.mark.parametrize(("language", "word"), [("zh", "演练"), ("en", "This is a drill")])
def test_drill_says_so_first_and_last(language, word):
    drill = said(language, "浙大一院", "南大门", level="吹哨响应", drill=True)
    assert drill[0] == drill[-1] == (language, word)
    assert drill[1:-1] == said(language, "浙大一院", "南大门", level="吹哨响应")


@pytest.mark.parametrize(("language", "word"), [("zh", "静默报警"), ("en", "silent alarm")])
def test_covert_announcement_says_that_the_place_must_not_notice(language, word):
    assert any(text.startswith(word) for _, text in said(language, "x", covert=True))
    assert not any(text.startswith(word) for _, text in said(language, "x"))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("3号楼", [("zh", "3号楼")]),
        ("12楼", [("zh", "12楼")]),
        ("120急救中心", [("zh", "幺二零急救中心")]),
        ("A座1203室", [("zh", "A座幺二零三室")]),
        ("05号门", [("zh", "零五号门")]),
        ("１２０３室", [("zh", "幺二零三室")]),  # full width
        ("工商银行(文晖路)支行", [("zh", "工商银行文晖路支行")]),
        ("south-gate", [("en", "south gate")]),
        ("北门south-gate", [("zh", "北门"), ("en", "south gate")]),
        ("Level 2", [("en", "Level 2")]),
        ("CCB银行", [("zh", "C C B银行")]),
    ],
)
def test_name_is_read_well_in_a_chinese_announcement(name, read):
    assert texts("zh", name) == read


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Room 1203", [("en", "Room 1 2 0 3")]),
        ("Gate 12", [("en", "Gate 12")]),
        ("St. Mary's", [("en", "St Mary's")]),
        ("CCB branch", [("en", "C C B branch")]),
        ("浙大一院 West", [("zh", "浙大一院"), ("en", "West")]),
    ],
)
def test_name_is_read_well_in_an_english_announcement(name, read):
    assert texts("en", name) == read


@pytest.mark.parametrize(
    "name",
    [
        "[[h@l'oU]]",
        "<voice name='x'/>",
        "--help\n-v x",
        "a\x00b\x1b[2J",
        "; rm -rf /",
        "",
        "()!",
        "🚨",
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_in_a_name_is_an_instruction_to_the_voice(name, language):
    for _, text in said(language, site=name, place=name, level=name):
        assert all(one.isalnum() or one in " '" or one == "，" for one in text), text


def test_name_without_end_is_cut():
    assert sum(len(text) for _, text in texts("zh", "浙" * 500)) == MAX_CHARACTERS


def test_unknown_kind_is_called_by_its_name():
    assert said("en", category="gas-leak") == [("en", "gas leak alarm")]
    assert said("zh", category="gas-leak") == [("en", "gas leak"), ("zh", "报警")]
    assert said("zh", category=None) == [("zh", "报警")]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("drill", [False, True])
@pytest.mark.parametrize("covert", [False, True])
def test_vocabulary_has_every_phrase_that_an_announcement_needs(language, drill, covert):
    ahead = set(
        vocabulary(
            language,
            levels=["吹哨响应", "All call"],
            categories=["odd-kind"],
            sites=["浙大一院", "A座1203"],
            places=["南大门", "south-gate"],
        )
    ) | set(known_kinds(language))
    for category in ("panic", "fire", "odd-kind", None):
        notice = Notice(
            site="A座1203",
            place="south-gate",
            category=category,
            level="All call",
            drill=drill,
            covert=covert,
        )
        needed = set(phrases(notice, language))
        assert needed - ahead <= {Phrase(language, "报警"), Phrase(language, "alarm")}


def test_language_of_a_group_that_names_none_is_that_of_its_name():
    assert default_language("小营派出所") == "zh"
    assert default_language("Police 小营") == "zh"
    assert default_language("Police") == "en"
