"""What is a sound, by its content: the first bytes and the structure behind them, never a name or a header."""

from __future__ import annotations

from app.payload import Refused

LOOKED_AT = 65_536  # bytes: what kind of tracks a container has is said at its beginning
VERSIONS = {0: 2.5, 2: 2.0, 3: 1.0}  # of MPEG audio, by the two bits in a frame's head
RATES = {1.0: (44_100, 48_000, 32_000), 2.0: (22_050, 24_000, 16_000), 2.5: (11_025, 12_000, 8_000)}
BITRATES_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s of layer III, version 1
BITRATES_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
OGG_CODECS = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")
SOUNDS = "audio/wav, audio/mpeg, audio/ogg, audio/flac, audio/mp4, audio/webm"
NEITHER = (
    "this is neither an image (PNG, JPEG, GIF or WebP) nor a sound (WAV, MP3, Ogg, FLAC, M4A or WebM without pictures)"
)


def listen_to(content: bytes) -> str:
    """The content type of a sound; raises Refused for anything else. It is not decoded: nothing grows here."""
    for kind, holds in (
        ("audio/wav", _is_wav),
        ("audio/flac", _is_flac),
        ("audio/ogg", _is_ogg),
        ("audio/mp4", _is_m4a),
        ("audio/webm", _is_webm),
        ("audio/mpeg", _is_mp3),
    ):
        if holds(content):
            return kind
    raise Refused("bad_request", NEITHER, "file")


def _is_wav(content: bytes) -> bool:
    head = content[:LOOKED_AT]
    return content[:4] == b"RIFF" and content[8:16] == b"WAVEfmt " and b"data" in head


def _is_flac(content: bytes) -> bool:
    """The marker, and the block of 34 bytes that each file begins with."""
    return content[:4] == b"fLaC" and content[4:5] in (b"\x00", b"\x80") and content[5:8] == b"\x00\x00\x22"


def _is_ogg(content: bytes) -> bool:
    """Its first pages hold codecs of sounds alone."""
    head = content[:LOOKED_AT]
    return content[:5] == b"OggS\x00" and any(codec in head for codec in OGG_CODECS) and b"theora" not in head


def _is_m4a(content: bytes) -> bool:
    """An ISO media file whose tracks are sounds alone; the table of tracks may stand at the end."""
    if content[4:8] != b"ftyp":
        return False
    tracks = _box(content, b"moov")
    return tracks is not None and b"soun" in tracks and b"vide" not in tracks


def _box(content: bytes, wanted: bytes) -> bytes | None:
    """The first box of this kind at the top level."""
    place = 0
    while place + 8 <= len(content):
        size, kind = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        if size == 1:  # then the true size follows in eight bytes
            size = int.from_bytes(content[place + 8 : place + 16])
        if kind == wanted:
            return content[place : place + size] if size else content[place:]
        if size < 8:
            return None
        place += size
    return None


def _is_webm(content: bytes) -> bool:
    head = content[:LOOKED_AT]
    is_webm = content[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in content[:64]
    return is_webm and (b"A_OPUS" in head or b"A_VORBIS" in head) and b"V_" not in head


def _is_mp3(content: bytes) -> bool:
    """Two frames in a row, behind a tag where there is one: two bytes alone say nothing."""
    place = _behind_tag(content)
    for _ in range(2):
        length = _frame_length(content[place : place + 4])
        if length is None:
            return False
        place += length
    return True


def _behind_tag(content: bytes) -> int:
    """Where the sound begins. The size of an ID3 tag has seven bits a byte."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def _frame_length(head: bytes) -> int | None:
    """Bytes of the frame of layer III with this head (ISO 11172-3, 2.4.1.3); None where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version = VERSIONS.get(head[1] >> 3 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version is None or rate == 3 or not 1 <= bitrate <= 14:
        return None
    kilobits = (BITRATES_1 if version == 1.0 else BITRATES_2)[bitrate - 1]
    samples_by_8 = 144 if version == 1.0 else 72
    return samples_by_8 * kilobits * 1000 // RATES[version][rate] + padding
