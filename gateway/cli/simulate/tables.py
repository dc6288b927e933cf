"""What the simulated district is made of: its numbers, classes, streets and words. Pure data.

The numbers are those that the design names for one city district (2,878 organisations of 9 kinds,
17,000 people in responder groups, 30,000 devices); how they are spread is made up.
"""

from __future__ import annotations

from dataclasses import dataclass

PEOPLE = 17_000
DEVICES = 30_000
STREETS = (
    ("qingbo", "清波"), ("hubin", "湖滨"), ("xiaoying", "小营"), ("nanxing", "南星"),
    ("ziyang", "紫阳"), ("wangjiang", "望江"), ("kaixuan", "凯旋"), ("caihe", "采荷"),
    ("zhanongkou", "闸弄口"), ("pengbu", "彭埠"), ("sijiqing", "四季青"), ("jiubao", "九堡"),
    ("dinglan", "丁兰"), ("jianqiao", "笕桥"),
)  # fmt: skip
"""Key and name of each street; 14, as the district that gives them has."""
GRIDS = 288
"""Grid cells: about ten organisations in each."""
CENTRE = (30.20, 120.14)
"""South-west corner of the district, WGS 84 degrees."""
CELL = (0.018, 0.024)
"""Height and width of a street, in degrees: about 2 by 2.3 km."""
STREETS_IN_A_ROW = 4

FIRE_STATIONS = 6
PATROLS = 3
"""Patrol cars of each street."""

POLICE_PEOPLE = 40
PATROL_PEOPLE = 3
STREET_PEOPLE = 20
MEDIATION_PEOPLE = 12
FIRE_PEOPLE = 30
GRID_PEOPLE = 8
SMALLEST_UNIT = 2
"""People of a site's own security unit, at least."""


@dataclass(frozen=True, slots=True)
class SiteClass:
    """One kind of organisation.

    ``people`` and ``devices`` are weights: the district's totals are shared out by them. ``latin``
    goes into names of files and topics, ``word`` into names for people.
    """

    latin: str
    word: str
    title: str
    sites: int
    people: float
    devices: float


CLASSES = (
    SiteClass("hospital", "医院", "医院", 148, 12, 40),
    SiteClass("school", "学校", "校园", 286, 6, 18),
    SiteClass("bank", "银行网点", "银行", 402, 4, 11),
    SiteClass("mall", "商场", "商场", 96, 14, 45),
    SiteClass("market", "农贸市场", "市场", 74, 6, 16),
    SiteClass("office", "商务楼", "楼宇", 618, 5, 10),
    SiteClass("hotel", "酒店", "酒店", 431, 4, 8),
    SiteClass("station", "地铁站", "轨道交通", 23, 20, 40),
    SiteClass("shop", "商铺", "沿街商铺", 800, 2, 3),
)
"""Nine kinds, 2,878 organisations."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place at a site: its name in topics and for people."""

    latin: str
    word: str


SPOTS = (
    Spot("gate", "大门"),
    Spot("desk", "服务台"),
    Spot("hall", "大厅"),
    Spot("office", "值班室"),
    Spot("corridor", "走廊"),
    Spot("carpark", "停车场"),
    Spot("store", "库房"),
    Spot("roof", "天台"),
)

KINDS = (
    "button", "camera", "button", "button", "intercom", "camera",
    "button", "camera", "button", "button", "radio", "camera",
    "button", "button", "camera", "button",
)  # fmt: skip
"""The kinds of a site's devices, first to last and round again: three to a place."""

KIND_WORDS = {"button": "按钮", "camera": "摄像机", "intercom": "对讲", "radio": "电台"}
