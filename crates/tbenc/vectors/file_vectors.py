"""Vectors of whole files: what opens, and what is refused with which class after which released prefix."""
import hashlib
import itertools
import struct

from damage_vectors import altered_records, foreign_records, sequences
from sealing import ALGO, KEY, MAGIC, OTHER_KEY, PREFIX, VERSION, header, record, records, seal, text
from vector import LIMIT_CHUNK, SMALL, SMALL_CHUNK, Vectors

LIMIT_PLAINTEXT = 1 << 44


def valid(v):
    for chunk, sizes in {
        1: [0, 1, 2, 3], 2: [1, 2, 3, 4, 5], 16: [0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64],
        17: [16, 17, 18, 33, 34, 35], 64: [63, 64, 65, 128, 200], 255: [255, 256], 4096: [1000],
        4 << 20: [0, 40], LIMIT_CHUNK: [0, 1, 40],
    }.items():
        for size in sizes:
            v.good(f"{size} bytes in chunks of {chunk}", seal(text(size), chunk), text(size), chunk)
    for name, key in [("zeros", bytes(32)), ("ones", b"\xff" * 32), ("another key", OTHER_KEY)]:
        v.good(f"key of {name}", seal(text(40), 16, key), text(40), 16, key=key)
    for prefix in [bytes(4), b"\xff" * 4, b"\0\0\0\1"]:
        v.good(f"nonce prefix {prefix.hex()}", seal(text(40), 16, prefix=prefix), text(40), 16)
    for name, plain in [("zeros", bytes(40)), ("bytes like a header", header(16) + bytes(8))]:
        v.good(f"plaintext of {name}", seal(plain, 16), plain, 16)


def rollover(v):
    """The counter's low bytes roll over: a nonce of fewer bytes would repeat there."""
    for count in [255, 256, 257, 300]:
        v.good(f"{count} records", seal(text(count), 1), text(count), 1, flag="CounterRollover")
    v.good("256 full records and a short one", seal(text(1023), 4), text(1023), 4, flag="CounterRollover")
    every = records(text(258), 1)
    changed = list(every)
    changed[0], changed[256] = every[256], every[0]
    v.bad("records 0 and 256 exchanged", "CounterRollover", header(1) + b"".join(changed), "AUTH", 0,
          size=258, chunk=1, plain=text(258))
    changed = every[:256] + [every[0]] + every[257:]
    v.bad("record 0 again in place of record 256", "CounterRollover", header(1) + b"".join(changed), "AUTH", 256,
          size=258, chunk=1, plain=text(258))
    v.large("65537 records", 65537, [[0, 65536]], None, 65537)
    v.large("65540 records", 65540, [[0, 65539]], None, 65540)
    v.large("records 0 and 65536 exchanged", 65540, [[65536, 65536], [1, 65535], [0, 0], [65537, 65539]], "AUTH", 0)
    v.large("records 65535 and 65536 exchanged", 65540,
            [[0, 65534], [65536, 65536], [65535, 65535], [65537, 65539]], "AUTH", 65535)
    v.large("record 0 again in place of record 65536", 65540, [[0, 65535], [0, 0], [65537, 65539]], "AUTH", 65536)
    v.large("ends behind record 65535", 65540, [[0, 65535]], "TRUNCATED", 65536)


def headers(v):
    body = b"".join(records(SMALL, 16))

    def refused(comment, head, error="HEADER", flag="HeaderFailure"):
        v.bad(comment, flag, head + body, error, 0)

    for at in range(8):
        for mask in (0x01, 0x20, 0x80):
            magic = MAGIC[:at] + bytes([MAGIC[at] ^ mask]) + MAGIC[at + 1:]
            refused(f"magic byte {at} xor {mask:02x}", header(16, magic=magic))
    for magic in [b"TBENC002", b"tbenc001", b"100CNEBT", b"age-encr", bytes(8)]:
        refused(f"magic {magic!r}", header(16, magic=magic))
    for version in [0, 2, 3, 0x0100, 0x0101, 0x8001, 0xFFFF]:
        refused(f"version {version}", header(16, version=version))
    for algo in [0, 2, 3, 0x80, 0x81, 0xFF]:
        refused(f"algo {algo}", header(16, algo=algo))
    for at, value in itertools.product(range(13), (0x01, 0x80, 0xFF)):
        reserved = bytes(at) + bytes([value]) + bytes(12 - at)
        refused(f"reserved byte {at} is {value:02x}", header(16, reserved=reserved))
    refused("every reserved byte set", header(16, reserved=b"\xff" * 13))
    for chunk in [0, LIMIT_CHUNK + 1, 1 << 27, 1 << 31, 0xFFFFFFFF]:
        refused(f"chunk_bytes {chunk}", header(chunk), "LIMIT", "LimitFailure")
        v.bad(f"chunk_bytes {chunk} in header and manifest", "LimitFailure", header(chunk) + body, "LIMIT", 0,
              chunk=chunk)
    for chunk in [1, 15, 17, 32, 0x10000000, 4 << 20]:
        refused(f"chunk_bytes {chunk} in the header, 16 in the manifest", header(chunk), "LIMIT", "LimitFailure")
    for at in range(4):
        prefix = PREFIX[:at] + bytes([PREFIX[at] ^ 1]) + PREFIX[at + 1:]
        refused(f"nonce prefix byte {at} changed", header(16, prefix), "AUTH", "ModifiedCiphertext")
    v.bad("reserved byte set in an empty file", "HeaderFailure", header(16, reserved=bytes(12) + b"\1"),
          "HEADER", 0, size=0)
    authentic = struct.pack(">HBI", VERSION, ALGO, 16)
    v.bad("the header without its reserved bytes", "HeaderFailure", MAGIC + authentic + PREFIX + body, "HEADER", 0)


def truncated(v):
    whole = seal(SMALL, 16)
    places = {
        0: "nothing", 1: "one byte", 8: "the magic alone", 15: "ends before nonce_prefix", 19: "ends before reserved",
        31: "a byte short of a header", 32: "the header alone", 33: "one byte of pt_len 0", 35: "three bytes of pt_len 0",
        36: "pt_len 0 alone", 37: "one byte of text 0", 51: "a byte short of text 0", 52: "ends before tag 0",
        53: "one byte of tag 0", 67: "a byte short of tag 0", 68: "ends behind record 0", 69: "one byte of pt_len 1",
        72: "pt_len 1 alone", 88: "ends before tag 1", 103: "a byte short of tag 1", 104: "ends behind record 1",
        105: "one byte of the last pt_len", 108: "the last pt_len alone", 109: "one byte of the last text",
        116: "ends before the last tag", 117: "one byte of the last tag", 131: "a byte short of the end",
    }
    for length, place in places.items():
        v.bad(f"{length} bytes: {place}", "Truncation", whole[:length], "TRUNCATED", max(0, length - 32) // 36 * 16)
    for count in range(3):
        cut = header(16) + b"".join(records(text(48), 16)[:count])
        v.bad(f"{count} of 3 full records", "Truncation", cut, "TRUNCATED", 16 * count, size=48, plain=text(48))
    for size, chunk in [(1, 16), (16, 16), (1, 1), (5, 1)]:
        cut = seal(text(size), chunk)[:-1]
        full = (size - 1) // chunk * chunk
        v.bad(f"the last byte of a {size}-byte file in chunks of {chunk} is missing", "Truncation", cut, "TRUNCATED",
              full, size=size, chunk=chunk, plain=text(size))
    v.bad("complete at 32 bytes, the manifest says 40", "Truncation", seal(text(32), 16), "TRUNCATED", 32)
    v.bad("complete at 32 bytes, the manifest says 33", "Truncation", seal(text(32), 16), "TRUNCATED", 32, size=33)
    v.bad("an empty file, the manifest says 1", "Truncation", header(16), "TRUNCATED", 0, size=1)
    for size in [41, 47, 48, 56, LIMIT_PLAINTEXT]:
        v.bad(f"40 bytes sealed, the manifest says {size}", "Truncation", whole, "TRUNCATED", 32, size=size)
    for size in [LIMIT_PLAINTEXT + 1, 1 << 63, (1 << 64) - 1]:
        v.bad(f"40 bytes sealed, the manifest says {size}", "LimitFailure", whole, "LIMIT", 0, size=size)


def trailing(v):
    whole = seal(SMALL, 16)
    full = seal(text(48), 16)
    for comment, more in [
        ("a zero byte", b"\0"), ("a newline", b"\n"), ("16 bytes", bytes(16)), ("a second header", header(16)),
        ("the file again", whole), ("the last record again", whole[104:]), ("pt_len 0", bytes(4)),
        ("an authentic record without text", record(16, 3, b"")),
    ]:
        v.bad(f"{comment} behind the end", "TrailingData", whole + more, "TRAILING", 32)
        v.bad(f"{comment} behind full records", "TrailingData", full + more, "TRAILING", 32, size=48, plain=text(48))
        v.bad(f"{comment} behind an empty file", "TrailingData", header(16) + more, "TRAILING", 0, size=0)
    longer = seal(text(64), 16)
    for size in [0, 16, 32, 48]:
        v.bad(f"4 authentic records, the manifest says {size} bytes", "TrailingData", longer, "TRAILING",
              max(0, size - 16), size=size, plain=text(64))
    for size, place in [(39, "a byte less"), (33, "one byte in the last chunk")]:
        v.bad(f"40 bytes sealed, the manifest says {size}: {place}", "LimitFailure", whole, "LIMIT", 32, size=size)
    v.bad("40 bytes sealed, the manifest says 15", "LimitFailure", whole, "LIMIT", 0, size=15)


def digests(v):
    whole = seal(SMALL, 16)
    right = hashlib.sha256(whole).hexdigest()
    for comment, stated in [
        ("zeros", "0" * 64), ("the last digit changed", right[:63] + f"{int(right[63], 16) ^ 1:x}"),
        ("uppercase", right.upper()), ("of the plaintext", hashlib.sha256(SMALL).hexdigest()),
        ("of the file without its header", hashlib.sha256(whole[32:]).hexdigest()), ("nothing", ""),
        ("cut to 63 digits", right[:63]),
    ]:
        v.bad(f"the digest stated is {comment}", "DigestFailure", whole, "DIGEST", 32, stated=stated)
    v.bad("an empty file with another digest", "DigestFailure", header(16), "DIGEST", 0, size=0, stated="0" * 64)
    v.bad("one chunk with another digest", "DigestFailure", seal(text(16), 16), "DIGEST", 0, size=16,
          stated="0" * 64, plain=text(16))
    # Key and prefix used twice: every record is authentic, and only the manifest's digest refuses the mixture.
    second = records(text(40, "second"), 16)
    mixed = header(16) + second[0] + b"".join(records(SMALL, 16)[1:])
    v.bad("a record of another content under the same key and prefix", "NonceReuse", mixed, "DIGEST", 32,
          stated=right, plain=text(40, "second")[:16] + SMALL[16:])


def keys(v):
    whole = seal(SMALL, 16)
    for name, key in [("another", OTHER_KEY), ("zeros", bytes(32)), ("reversed", KEY[::-1])]:
        v.bad(f"{name} key", "WrongKey", whole, "AUTH", 0, key=key)
    for bit in [0, 127, 128, 255]:
        wrong = (int.from_bytes(KEY, "big") ^ (1 << bit)).to_bytes(32, "big")
        v.bad(f"bit {bit} of the key changed", "WrongKey", whole, "AUTH", 0, key=wrong)
    second = records(SMALL, 16, key=OTHER_KEY)
    for at in range(3):
        mixed = records(SMALL, 16)[:at] + second[at:at + 1] + records(SMALL, 16)[at + 1:]
        v.bad(f"record {at} is sealed under another key", "WrongKey", header(16) + b"".join(mixed), "AUTH", 16 * at)


def document():
    vectors = Vectors()
    for group in (valid, rollover, headers, altered_records, foreign_records, sequences, truncated, trailing, digests,
                  keys):
        group(vectors)
    comments = [made["comment"] for made in vectors.made]
    assert len(set(comments)) == len(comments), "two vectors have the same comment"
    assert SMALL_CHUNK == 16
    return {"format": "tbenc/v1", "vectors": vectors.made}
