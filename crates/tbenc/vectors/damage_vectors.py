"""Vectors of records that were changed, made against the rules, taken from elsewhere or put in another order."""
import itertools
import struct

from sealing import OTHER_KEY, PREFIX, aad, header, record, records, seal, text
from vector import SMALL


def altered_records(v):
    whole = seal(SMALL, 16)
    starts = [32, 68, 104]

    def put(at, new):
        return whole[:at] + new + whole[at + len(new):]

    for n, start in enumerate(starts):
        length = 8 if n == 2 else 16
        released = 16 * n
        for pt_len in [0, 1, length - 1, length + 1, 32, 1 << 24, 1 << 31, 0xFFFFFFFF, length << 24]:
            v.bad(f"record {n}: pt_len {pt_len}", "LimitFailure", put(start, struct.pack(">I", pt_len)), "LIMIT", released)
        for name, at in [("first byte of the text", 4), ("last byte of the text", 3 + length),
                         ("first byte of the tag", 4 + length), ("last byte of the tag", 19 + length)]:
            for mask in (0x01, 0x80):
                damaged = put(start + at, bytes([whole[start + at] ^ mask]))
                v.bad(f"record {n}: {name} xor {mask:02x}", "ModifiedCiphertext", damaged, "AUTH", released)
        v.bad(f"record {n}: tag of zeros", "ModifiedCiphertext", put(start + 4 + length, bytes(16)), "AUTH", released)
        v.bad(f"record {n}: text of zeros", "ModifiedCiphertext", put(start + 4, bytes(length)), "AUTH", released)
        plain = SMALL[16 * n:16 * n + length]
        v.bad(f"record {n}: the plaintext itself", "ModifiedCiphertext", put(start + 4, plain), "AUTH", released)
    v.bad("the tags of records 0 and 1 exchanged", "ModifiedCiphertext",
          whole[:52] + whole[88:104] + whole[68:88] + whole[52:68] + whole[104:], "AUTH", 0)
    damaged = bytearray(whole)
    damaged[36] ^= 1
    damaged[37] ^= 1
    v.bad("two bytes of a text changed", "ModifiedCiphertext", bytes(damaged), "AUTH", 0)


def foreign_records(v):
    """Authentic AES-GCM messages that are not what this place of this file must hold."""
    rest = records(SMALL, 16)[1:]
    plain = SMALL[:16]

    def first(comment, made, error="AUTH"):
        v.bad(comment, "ModifiedCiphertext", header(16) + made + b"".join(rest), error, 0)

    right = aad(16, 0, 16)
    first("sealed for another chunk size", record(16, 0, plain, data=aad(32, 0, 16)))
    first("sealed for another nonce prefix", record(16, 0, plain, prefix=b"\0\0\0\0"))
    first("sealed with another prefix in the associated data alone",
          record(16, 0, plain, data=aad(16, 0, 16, b"\0\0\0\0")))
    first("sealed without associated data", record(16, 0, plain, data=b""))
    first("sealed with the whole header as associated data",
          record(16, 0, plain, data=header(16) + struct.pack(">QI", 0, 16)))
    first("sealed without pt_len in the associated data", record(16, 0, plain, data=right[:-4]))
    first("sealed without the index in the associated data", record(16, 0, plain, data=right[:19] + right[27:]))
    first("sealed with pt_len before the index", record(16, 0, plain, data=right[:19] + right[27:] + right[19:27]))
    first("sealed with a little-endian pt_len", record(16, 0, plain, data=right[:27] + struct.pack("<I", 16)))
    first("sealed with a 32-bit index in the associated data",
          record(16, 0, plain, data=right[:19] + struct.pack(">II", 0, 16)))
    first("sealed with the counter before the prefix", record(16, 0, plain, nonce=bytes(8) + PREFIX))
    first("sealed with a nonce of zeros", record(16, 0, plain, nonce=bytes(12)))
    first("sealed with a counter that begins at 1",
          record(16, 0, plain, nonce=PREFIX + struct.pack(">Q", 1)))
    for n in (1, 2):
        length = 8 if n == 2 else 16
        plain_n = SMALL[16 * n:16 * n + length]
        wrong = [
            ("a little-endian counter in the nonce", record(16, n, plain_n, nonce=PREFIX + struct.pack("<Q", n))),
            ("a little-endian index in the associated data",
             record(16, n, plain_n, data=aad(16, 0, length)[:19] + struct.pack("<QI", n, length)[:8]
                    + struct.pack(">I", length))),
            ("index 0 in the associated data", record(16, n, plain_n, data=aad(16, 0, length))),
            ("the counter of record 0 in the nonce", record(16, n, plain_n, nonce=PREFIX + bytes(8))),
            ("a counter of 32 bits in the nonce",
             record(16, n, plain_n, nonce=PREFIX + struct.pack(">II", n, 0))),
        ]
        for comment, made in wrong:
            mixed = records(SMALL, 16)
            mixed[n] = made
            v.bad(f"record {n} sealed with {comment}", "ModifiedCiphertext", header(16) + b"".join(mixed), "AUTH", 16 * n)
    short_records(v)
    sources = [("another prefix", {"prefix": b"\1\2\3\4"}), ("another key", {"key": OTHER_KEY})]
    for (name, other), at in itertools.product(sources, range(3)):
        mixed = records(SMALL, 16)
        mixed[at] = records(SMALL, 16, **other)[at]
        v.bad(f"record {at} of a file with {name}", "ForeignRecord", header(16) + b"".join(mixed), "AUTH", 16 * at)


def short_records(v):
    """Chunks that are shorter or longer than their place allows, every tag right."""
    def chunks(comment, sizes, error, released, chunk=16):
        made, at = [header(chunk)], 0
        for n, size in enumerate(sizes):
            made.append(record(chunk, n, SMALL[at:at + size]))
            at += size
        v.bad(f"authentic chunks of {sizes}: {comment}", "LimitFailure", b"".join(made), error, released)

    chunks("a short one at the beginning", [8, 16, 16], "LIMIT", 0)
    chunks("a short one in the middle", [16, 8, 16], "LIMIT", 16)
    chunks("an empty one at the beginning", [0, 16, 16, 8], "LIMIT", 0)
    chunks("an empty one in the middle", [16, 0, 16, 8], "LIMIT", 16)
    chunks("an empty one before the last", [16, 16, 0, 8], "LIMIT", 32)
    chunks("an empty one at the end", [16, 16, 8, 0], "TRAILING", 32)
    chunks("one over chunk_bytes", [17, 16, 7], "LIMIT", 0)
    chunks("one over chunk_bytes in the middle", [16, 17, 7], "LIMIT", 16)
    chunks("all in one", [40], "LIMIT", 0)
    chunks("two halves of the last", [16, 16, 4, 4], "LIMIT", 32)
    chunks("one byte moved to the last", [16, 15, 9], "LIMIT", 16)
    v.bad("an authentic record without text in an empty file", "TrailingData", header(16) + record(16, 0, b""),
          "TRAILING", 0, size=0)


def sequences(v):
    """Every order of four records, and repeated, missing and inserted ones."""
    plain = text(64)
    every = records(plain, 16)

    def refused(comment, flag, order, error, good):
        blob = header(16) + b"".join(every[n] for n in order)
        v.bad(f"records {list(order)}: {comment}", flag, blob, error, 16 * good, size=64, plain=plain)

    def in_place(order):
        return next((n for n, got in enumerate(order) if n != got), len(order))

    for order in itertools.permutations(range(4)):
        if order != (0, 1, 2, 3):
            refused("another order", "ChunkReordering", order, "AUTH", in_place(order))
    for n in range(4):
        twice = tuple(range(n + 1)) + tuple(range(n, 4))
        error = "TRAILING" if n == 3 else "AUTH"
        refused(f"record {n} twice", "ChunkDuplication", twice, error, min(n + 1, 3))
        refused(f"record {n} four times", "ChunkDuplication", (n,) * 4, "AUTH", 1 if n == 0 else 0)
        missing = tuple(m for m in range(4) if m != n)
        error = "TRUNCATED" if n == 3 else "AUTH"
        refused(f"record {n} is missing", "ChunkDeletion", missing, error, n)
    short = records(SMALL, 16)
    for order, error, good in [((1, 2), "AUTH", 0), ((0, 2), "TRUNCATED", 1), ((2,), "TRUNCATED", 0),
                               ((2, 0, 1), "LIMIT", 0), ((0, 2, 1), "LIMIT", 1), ((0, 0, 1, 2), "AUTH", 1),
                               ((1, 0, 2), "AUTH", 0), ((0, 1, 1), "LIMIT", 2), ((0, 1, 2, 2), "TRAILING", 2)]:
        blob = header(16) + b"".join(short[n] for n in order)
        v.bad(f"records {list(order)} of a file whose last is short", "ChunkReordering", blob, error, 16 * good)
    other = records(text(48, "second"), 16, prefix=b"\1\2\3\4")
    for at in range(5):
        mixed = every[:at] + other[:1] + every[at:]
        error = "TRAILING" if at == 4 else "AUTH"
        v.bad(f"a record of another file inserted at {at}", "ForeignRecord", header(16) + b"".join(mixed), error,
              16 * min(at, 3), size=64, plain=plain)
