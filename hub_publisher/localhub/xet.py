"""The writing half of the Xet protocol (specification: huggingface.co/docs/xet): xorbs and shards become blobs.

A client cuts files into chunks, packs chunks into xorbs and says in a shard which chunks make which file. Xorbs are
kept only while this server runs.
"""

import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import lz4.frame

from hub_publisher.localhub.blobs import SHA256, BlobStore
from hub_publisher.localhub.refusal import Refusal

MAX_XORB_BYTES = 72 * 2**20  # 64 MiB of data, as specified, and hf_xet puts its headers on top; also for a shard
MAX_CHUNK_BYTES = 2**20  # chunks are at most 128 KiB; refuse to inflate anything absurd

_RECORD = 48  # every record of a shard is this long
_BOOKEND = b"\xff" * 32
_HAS_VERIFICATION = 1 << 31
_HAS_METADATA = 1 << 30


class Term(NamedTuple):
    """Chunks `start` to `end` (exclusive) of one xorb; together `num_bytes` bytes of a file."""

    xorb: str
    num_bytes: int
    start: int
    end: int


def parse_shard(shard: bytes) -> list[list[Term]]:
    """Return the terms of each file in a shard; Refusal(400) when it is malformed."""
    files, offset = [], _RECORD  # after the header: a magic number, version, footer size
    try:
        while shard[offset : offset + 32] != _BOOKEND:
            flags, num_terms = struct.unpack_from("<32xII", shard, offset)
            places = range(offset + _RECORD, offset + _RECORD * (num_terms + 1), _RECORD)
            terms = (struct.unpack_from("<32s4xIII", shard, place) for place in places)
            files.append([Term(hash_name(name), *numbers) for name, *numbers in terms])
            num_records = 1 + num_terms * (2 if flags & _HAS_VERIFICATION else 1) + bool(flags & _HAS_METADATA)
            offset += _RECORD * num_records
    except struct.error as error:
        raise Refusal(400, f"Malformed shard: {error}") from error
    return files


def hash_name(raw: bytes) -> str:
    """Return a Xet hash as text: four little-endian 64-bit numbers, each written big-endian."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


class XorbStore:
    """The xorbs that clients of this run of the server have sent, unpacked."""

    def __init__(self, root: Path) -> None:
        # hf_xet caches by CAS address which xorbs a server has. A fresh address with an empty folder at each start
        # keeps that cache true, where a remembered one would make it skip uploads that we no longer hold.
        self.instance = secrets.token_hex(8)
        self.folder = root / "xorbs"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._offsets: dict[str, list[int]] = {}  # by name: where each chunk begins, and where the last one ends

    def add(self, name: str, packed: Path) -> bool:
        """Take the file `packed` as a xorb and return whether it is new; Refusal(400) when it is malformed."""
        if not SHA256.fullmatch(name):
            raise Refusal(400, f"Invalid xorb hash: {name}")
        if name in self._offsets:
            return False
        offsets, plain = [0], self.folder / packed.name
        with open(packed, "rb") as source, open(plain, "wb") as target:
            for chunk in read_chunks(source):
                offsets.append(offsets[-1] + target.write(chunk))
        os.replace(plain, self.folder / name)
        self._offsets[name] = offsets
        return True

    def rebuild(self, terms: list[Term], blobs: BlobStore) -> str:
        """Write the file that `terms` describe into `blobs` and return its SHA-256; Refusal(400) for wrong terms."""
        with blobs.writer() as writer:
            for term in terms:
                offsets = self._offsets.get(term.xorb, [])
                known = term.start < term.end < len(offsets)
                if not known or offsets[term.end] - offsets[term.start] != term.num_bytes:
                    raise Refusal(400, f"Unknown xorb or wrong range: {term}")
                with open(self.folder / term.xorb, "rb") as file:
                    file.seek(offsets[term.start])
                    for begin, end in pairwise(offsets[term.start : term.end + 1]):
                        writer.write(file.read(end - begin))
            return writer.finish()


def read_chunks(xorb: BinaryIO) -> Iterator[bytes]:
    """Yield the plain chunks of a xorb; Refusal(400) when it is malformed."""
    while (header := xorb.read(8)) and not header.startswith(b"XETBLOB"):  # the footer, which uploads may leave out
        size = int.from_bytes(header[1:4], "little")
        data = xorb.read(size)
        if len(header) < 8 or header[0] != 0 or len(data) < size:
            raise Refusal(400, "Malformed xorb: bad or truncated chunk")
        yield decode_chunk(header + data)


def decode_chunk(chunk: bytes) -> bytes:
    """Return a chunk's bytes. Header: version, 3 bytes packed size, scheme, 3 bytes plain size."""
    scheme, num_bytes = chunk[4], int.from_bytes(chunk[5:8], "little")
    if num_bytes > MAX_CHUNK_BYTES or scheme > 2:
        raise Refusal(400, "Malformed xorb: bad chunk header")
    data = chunk[8:]
    if scheme:
        try:
            data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=num_bytes)
        except RuntimeError as error:  # what lz4 raises for damaged frames
            raise Refusal(400, f"Malformed xorb: {error}") from error
    if len(data) != num_bytes:
        raise Refusal(400, "Malformed xorb: a chunk has another size than its header says")
    return _ungroup(data) if scheme == 2 else data


def _ungroup(data: bytes) -> bytes:
    """Undo byte grouping by 4: all first bytes of each four, then all second ones, and so on."""
    plain = bytearray(len(data))
    begin = 0
    for lane in range(4):
        size = (len(data) - lane + 3) // 4
        plain[lane::4] = data[begin : begin + size]
        begin += size
    return bytes(plain)
