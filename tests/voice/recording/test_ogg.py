"""Ogg pages: as opusenc writes them, round trip, every truncation, garbage."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InsufficientData, LocalProtocolError, RemoteProtocolError
from gateway.voice.recording.ogg import Page, checksum, pages, shared_out

# A tenth of a second of 440 Hz, by `opusenc --bitrate 8 --comp 0 --padding 0` of opus-tools 0.2.
OPUSENC = bytes.fromhex(
    "4f676753000200000000000000004058d141000000001b38ffbf01134f707573486561640101380180bb00000000004f"
    "676753000000000000000000004058d14101000000f5877c16019d4f707573546167731f0000006c69626f7075732031"
    "2e332e312c206c69626f707573656e6320302e322e310200000023000000454e434f4445523d6f707573656e63206672"
    "6f6d206f7075732d746f6f6c7320302e3243000000454e434f4445525f4f5054494f4e533d2d2d626974726174652038"
    "202d2d636f6d702030202d2d70616464696e672030202d2d646973636172642d636f6d6d656e74734f6767530004f813"
    "0000000000004058d14102000000e4e5db38061416110f0d20088288e7135738c628299d8e842752051dc825d108a0b9"
    "da58a07be8f265e98c26235dabb3c995633ca0089d6a04af7b6945da25549ab99ca88e96089d968aafb5aa0d5b20ab49"
    "62ec30089d6a04af7b690619eaadbd200881fe362c85d8f57f4d1177f55d38760df55c6e38187ee5aed4f06635881548"
)


def test_a_file_of_opusenc_reads_as_pages_and_writes_the_same_bytes():
    found = [page for _, page in pages(OPUSENC)]
    assert [page.number for page in found] == [0, 1, 2]
    assert [page.first for page in found] == [True, False, False]
    assert [page.last for page in found] == [False, False, True]
    assert [page.granule for page in found] == [0, 0, 0x13F8]
    assert found[0].packets[0].startswith(b"OpusHead")
    assert found[1].packets[0].startswith(b"OpusTags")
    assert [len(packet) for packet in found[2].packets] == [0x14, 0x16, 0x11, 0x0F, 0x0D, 0x20]
    assert b"".join(page.to_bytes() for page in found) == OPUSENC


def test_checksum_is_that_of_the_polynomial():
    """RFC 3533, section 6: polynomial 0x04c11db7, start and final XOR 0, highest bit first."""

    def slowly(data):
        crc = 0
        for byte in data:
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        return crc

    for length in (0, 1, 3, 28, 1000):
        data = random.Random(length).randbytes(length)
        assert checksum(data) == slowly(data)


PACKETS = st.lists(st.binary(max_size=600), max_size=40).filter(
    lambda packets: sum(len(packet) // 255 + 1 for packet in packets) <= 255
)


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(-1, 2**63 - 1), PACKETS,
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_every_page_comes_back(serial, number, granule, packets, first, last):
    page = Page(serial, number, granule, tuple(packets), first=first, last=last)
    data = page.to_bytes()
    assert Page.from_bytes(b"before" + data + b"OggS", 6) == (page, 6 + len(data))


def test_every_truncation_is_insufficient_and_no_fault():
    data = Page(7, 2, 960, (b"x" * 255, b"", b"abc")).to_bytes()
    for length in range(len(data)):
        with pytest.raises(InsufficientData):
            Page.from_bytes(data[:length])


def test_every_damaged_byte_is_noticed():
    data = Page(7, 2, 960, (b"speech" * 50, b"abc")).to_bytes()
    for at in range(len(data)):
        damaged = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises((RemoteProtocolError, InsufficientData)):
            Page.from_bytes(damaged)


@given(st.binary(max_size=300))
def test_garbage_is_a_protocol_error(data):
    try:
        Page.from_bytes(data)
    except (RemoteProtocolError, InsufficientData):
        pass
    else:
        pytest.fail("a page by chance")


def test_pages_end_before_what_is_damaged():
    one = Page(7, 0, 0, (b"a",)).to_bytes()
    two = Page(7, 1, 0, (b"b" * 100,)).to_bytes()
    assert [page.number for _, page in pages(one + two[:-1])] == [0]
    assert [page.number for _, page in pages(one + two + b"OggX")] == [0, 1]
    assert [at for at, _ in pages(one + two)] == [0, len(one)]


@pytest.mark.parametrize("flags", [1, 5])
def test_a_packet_that_spans_pages_is_refused(flags):
    data = bytearray(Page(7, 1, 0, (b"b",)).to_bytes())
    data[5] = flags
    data[22:26] = bytes(4)
    data[22:26] = checksum(bytes(data)).to_bytes(4, "little")
    with pytest.raises(RemoteProtocolError, match="spans"):
        Page.from_bytes(bytes(data))


def test_what_does_not_fit_is_refused_to_be_written():
    with pytest.raises(LocalProtocolError):
        Page(7, 1, 0, (b"x",) * 256).to_bytes()
    with pytest.raises(LocalProtocolError):
        Page(2**32, 1, 0, ()).to_bytes()


@given(st.lists(st.integers(1, 3000), max_size=400))
def test_packets_are_shared_out_in_order_and_each_share_is_a_page(lengths):
    packets = [bytes(length) for length in lengths]
    shares = list(shared_out(packets))
    assert [packet for share in shares for packet in share] == packets
    for share in shares:
        assert Page.from_bytes(Page(1, 1, 0, share).to_bytes())[0].packets == share
