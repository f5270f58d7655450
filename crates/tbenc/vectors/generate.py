#!/usr/bin/env python3
"""Writes the known-answer vectors of tbenc/v1 with pyca/cryptography: a second language, another library.

Run it in this folder; it overwrites tbenc-v1.json and keys-v1.json with the same bytes every time.
"""
import hashlib
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC, VERSION, ALGO = b"TBENC001", 1, 1


def header(chunk, prefix):
    return MAGIC + struct.pack(">HBI", VERSION, ALGO, chunk) + prefix + bytes(13)


def seal(key, prefix, chunk, plaintext):
    out = [header(chunk, prefix)]
    for index, at in enumerate(range(0, len(plaintext), chunk)):
        text = plaintext[at:at + chunk]
        aad = header(chunk, prefix)[:19] + struct.pack(">QI", index, len(text))
        sealed = AESGCM(key).encrypt(prefix + struct.pack(">Q", index), text, aad)
        out.append(struct.pack(">I", len(text)) + sealed)
    return out


def text(size):
    stream = b"".join(hashlib.sha256(b"tbenc vector %d" % n).digest() for n in range(size // 32 + 1))
    return stream[:size]


KEY = hashlib.sha256(b"tbenc vector key").digest()
OTHER = hashlib.sha256(b"tbenc another key").digest()
PREFIX = bytes.fromhex("a1b2c3d4")


def vector(comment, flag, blob, size, chunk, plaintext=None, error=None, key=KEY):
    made = {"comment": comment, "flags": [flag], "key": key.hex(), "plaintext_bytes": size,
            "chunk_bytes": chunk, "ciphertext": blob.hex()}
    if error is None:
        made.update(result="valid", plaintext=plaintext.hex())
    else:
        made.update(result="invalid", error=error)
    return made


def tbenc():
    vectors = []
    for size, chunk in [(0, 16), (1, 1), (1, 16), (15, 16), (16, 16), (17, 16), (32, 16), (48, 16), (300, 1)]:
        flag = "CounterRollover" if size == 300 else "Valid"
        blob = b"".join(seal(KEY, PREFIX, chunk, text(size)))
        vectors.append(vector(f"{size} bytes in chunks of {chunk}", flag, blob, size, chunk, text(size)))
    good = seal(KEY, PREFIX, 16, text(40))
    head, first, second, last = good
    whole = b"".join(good)

    def flip(at, bit=1):
        return whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:]

    def bad(comment, flag, blob, error, size=40, chunk=16, key=KEY):
        vectors.append(vector(comment, flag, blob, size, chunk, error=error, key=key))

    bad("magic changed", "HeaderFailure", flip(0), "HEADER")
    bad("version 0", "HeaderFailure", flip(9), "HEADER")
    bad("algo 0", "HeaderFailure", flip(10), "HEADER")
    bad("a reserved byte set", "HeaderFailure", flip(31), "HEADER")
    bad("chunk_bytes 0", "HeaderFailure", flip(14, 16), "LIMIT")
    bad("chunk_bytes over 64 MiB", "HeaderFailure", flip(11, 8), "LIMIT")
    bad("chunk_bytes is not the manifest's", "HeaderFailure", flip(14), "LIMIT")
    bad("nonce prefix changed", "ModifiedCiphertext", flip(15), "AUTH")
    bad("pt_len one larger", "ModifiedCiphertext", flip(35), "LIMIT")
    bad("pt_len asks for 4 GiB", "ModifiedCiphertext", whole[:32] + b"\xff" * 4 + whole[36:], "LIMIT")
    bad("pt_len 0", "ModifiedCiphertext", whole[:32] + bytes(4) + whole[36:], "LIMIT")
    bad("first ciphertext byte changed", "ModifiedCiphertext", flip(36), "AUTH")
    bad("last tag byte changed", "ModifiedCiphertext", flip(len(whole) - 1), "AUTH")
    bad("another key", "WrongKey", whole, "AUTH", key=OTHER)
    bad("two records exchanged", "ChunkReordering", head + second + first + last, "AUTH")
    bad("a record twice", "ChunkReordering", head + first + first + last, "AUTH")
    bad("last record missing", "Truncation", head + first + second, "TRUNCATED")
    bad("last byte missing", "Truncation", whole[:-1], "TRUNCATED")
    bad("header alone", "Truncation", head, "TRUNCATED")
    bad("half a header", "Truncation", head[:16], "TRUNCATED")
    bad("nothing", "Truncation", b"", "TRUNCATED")
    bad("ends at a chunk boundary, manifest says more", "Truncation",
        b"".join(seal(KEY, PREFIX, 16, text(32))), "TRUNCATED")
    bad("a byte follows", "TrailingData", whole + b"\0", "TRAILING")
    bad("a record follows", "TrailingData", b"".join(seal(KEY, PREFIX, 16, text(64))), "TRAILING", size=48)
    bad("a byte follows an empty file", "TrailingData", head + b"\0", "TRAILING", size=0)
    return {"format": "tbenc/v1", "vectors": vectors}


def keys():
    def derive(purpose, context):
        info = b"trustbridge/tbenc/v1/" + purpose + b"\0" + context.encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(KEY).hex()

    paths = ["config.json", "model-00001-of-00002.safetensors", "original/consolidated.00.pth", "naïve.json"]
    ids = ["tb-asset-123", "tb-asset-e2e-001"]
    return {"format": "tbenc/v1", "key": KEY.hex(),
            "files": [{"path": path, "key": derive(b"file", path)} for path in paths],
            "commitments": [{"asset_id": name, "key_commitment": derive(b"commit", name)} for name in ids]}


for name, document in [("tbenc-v1.json", tbenc()), ("keys-v1.json", keys())]:
    with open(name, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
