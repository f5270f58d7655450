#!/usr/bin/env python3
"""A strict reader of tbenc/v1, written from the specification; it shares no code with what writes the vectors.

    reader.py [FOLDER]  reads the vectors (of this folder) and prints how many it agrees on; exit 1 on a difference
    reader.py open D    opens the files that D/cases.json names, for tests of interoperability
"""
import hashlib
import io
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reader_manifest import Refused, check_manifest

CHUNK_MAX = 64 * 1024 * 1024
PLAIN_MAX = 16 * 1024 ** 4
SHOWN = 10


def parse_key(text):
    if not re.fullmatch("[0-9a-fA-F]{64}", text, re.ASCII):
        raise Refused("KEY", "key")
    return bytes(int(text[at:at + 2], 16) for at in range(0, 64, 2))


def derive(key, purpose, context):
    """HKDF-SHA256 (RFC 5869) with an empty salt and one block of output, spelt out over HMAC."""
    def mac(secret, message):
        context = hmac.HMAC(secret, hashes.SHA256())
        context.update(message)
        return context.finalize()

    info = f"trustbridge/tbenc/v1/{purpose}\0{context}".encode()
    return mac(mac(b"\0" * 32, key), info + b"\1")


def parse_header(source, stated_chunk):
    raw = source.read(32)
    if len(raw) < 32:
        raise Refused("TRUNCATED", "header")
    if raw[:8] != b"TBENC001":
        raise Refused("HEADER", "magic")
    if raw[8:10] != b"\0\1":
        raise Refused("HEADER", "version")
    if raw[10] != 1:
        raise Refused("HEADER", "algo")
    if any(raw[19:]):
        raise Refused("HEADER", "reserved")
    chunk = int.from_bytes(raw[11:15], "big")
    if chunk < 1 or chunk > CHUNK_MAX or chunk != stated_chunk:
        raise Refused("LIMIT", "chunk_bytes")
    return raw, chunk


def open_record(cipher, raw, index, pt_len):
    """Gives the text of one whole record whose length is right; its tag decides."""
    counter = index.to_bytes(8, "big")
    try:
        return cipher.decrypt(raw[15:19] + counter, raw[-pt_len - 16:], raw[:19] + counter + raw[32:36])
    except InvalidTag:
        raise Refused("AUTH", f"record {index}") from None


def open_file(key, stated, source, release):
    """Calls `release` with each verified chunk; with the last one only after the end and the digest stand."""
    digest = hashlib.sha256()
    head, chunk = parse_header(source, stated["chunk_bytes"])
    digest.update(head)
    left = stated["plaintext_bytes"]
    if left > PLAIN_MAX:
        raise Refused("LIMIT", "plaintext_bytes")
    cipher, index, held = AESGCM(key), 0, b""
    while left > 0:
        if index > 0:
            release(held)
        want = min(left, chunk)
        raw = source.read(want + 20)
        if len(raw) < want + 20:
            raise Refused("TRUNCATED", f"record {index}")
        digest.update(raw)
        if int.from_bytes(raw[:4], "big") != want:
            raise Refused("LIMIT", f"pt_len of record {index}")
        held = open_record(cipher, head + raw, index, want)
        left, index = left - want, index + 1
    if source.read(1):
        raise Refused("TRAILING", "end")
    if digest.hexdigest() != stated["sha256_ciphertext"]:
        raise Refused("DIGEST", "sha256_ciphertext")
    release(held)


def exact_length(stated):
    """32 bytes of header, the text, and 20 bytes for each record."""
    size, chunk = stated["plaintext_bytes"], stated["chunk_bytes"]
    count = 0 if size == 0 else (size - 1) // max(chunk, 1) + 1
    return 32 + size + count * 20


def expand(recipe, key):
    """The bytes of a file that is too large to be spelt out."""
    prefix, chunk = bytes.fromhex(recipe["nonce_prefix"]), recipe["chunk_bytes"]
    size = recipe["text_bytes"]
    text = b"".join(hashlib.sha256(b"tbenc vector %d" % n).digest() for n in range((size + 31) // 32))[:size]
    head = b"TBENC001\0\1\1" + chunk.to_bytes(4, "big") + prefix
    cipher, made = AESGCM(key), bytearray(head + bytes(13))
    for first, last in recipe["records"]:
        for n in range(first, last + 1):
            part, counter = text[n * chunk:(n + 1) * chunk], n.to_bytes(8, "big")
            length = len(part).to_bytes(4, "big")
            made += length + cipher.encrypt(prefix + counter, part, head + counter + length)
    return bytes(made)


def outcome_of(action):
    try:
        action()
    except Refused as refused:
        return "invalid", refused
    return "valid", None


def check_file(vector):
    key, stated = parse_key(vector["key"]), vector["manifest"]
    if "recipe" in vector:
        blob = expand(vector["recipe"], key)
        if hashlib.sha256(blob).hexdigest() != stated["sha256_ciphertext"]:
            yield "the recipe gives other bytes"
    else:
        blob = bytes.fromhex(vector["ciphertext"])
    if (len(blob) == exact_length(stated)) != vector["length_is_exact"]:
        yield "length_is_exact"
    released = bytearray()
    result, refused = outcome_of(lambda: open_file(key, stated, io.BytesIO(blob), released.extend))
    if result != vector["result"] or (refused and refused.error) != vector.get("error"):
        yield f"{result} {refused}"
    if (len(released), hashlib.sha256(released).hexdigest()) != (vector["released_bytes"], vector["released_sha256"]):
        yield f"released {len(released)} bytes"


def check_key_text(vector):
    result, refused = outcome_of(lambda: parse_key(vector["text"]))
    if result != vector["result"] or (refused and refused.error) != vector.get("error"):
        yield f"{result} {refused}"
    elif not refused and parse_key(vector["text"]).hex() != vector["key"]:
        yield "another key"


def check_derivation(vector):
    if derive(parse_key(vector["key"]), vector["purpose"], vector["context"]).hex() != vector["derived"]:
        yield "another value"


def check_manifest_vector(vector):
    raw = bytes.fromhex(vector["manifest_hex"]) if "manifest_hex" in vector else vector["manifest"].encode()
    result, refused = outcome_of(lambda: check_manifest(raw))
    named = (refused.error, refused.place) if refused else (None, None)
    if result != vector["result"] or named != (vector.get("error"), vector.get("field")):
        yield f"{result} {refused}"
    if refused or "key" not in vector:
        return
    manifest = check_manifest(raw)
    stated = manifest.get("key_commitment")
    made = derive(parse_key(vector["key"]), "commit", manifest["asset_id"]).hex()
    found = "absent" if stated is None else "same" if stated == made else "differs"
    if found != vector["commitment"]:
        yield f"the commitment is {found}"


def check_vectors(folder):
    agreed, total, differences = 0, 0, []
    for name, part, check in [
        ("tbenc-v1.json", "vectors", check_file), ("keys-v1.json", "texts", check_key_text),
        ("keys-v1.json", "derivations", check_derivation), ("manifests-v1.json", "vectors", check_manifest_vector),
    ]:
        for vector in json.loads((folder / name).read_text(encoding="utf-8"))[part]:
            found = list(check(vector))
            total, agreed = total + 1, agreed + (not found)
            label = vector.get("comment", vector.get("context"))
            differences += [f"{name}: {label}: {difference}; stated: {vector.get('error', 'valid')}" for difference in found]
    for difference in differences[:SHOWN]:
        print(difference)
    print(f"agree {agreed} of {total}")
    return agreed == total


def open_cases(folder):
    """cases.json: [{"key", "ciphertext": file name, "manifest": {...}, "plaintext_sha256"}]"""
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    opened = 0
    for case in cases:
        digest = hashlib.sha256()
        stated = case["manifest"]
        path = folder / case["ciphertext"]
        with path.open("rb") as source:
            result, refused = outcome_of(lambda: open_file(parse_key(case["key"]), stated, source, digest.update))
        if path.stat().st_size != exact_length(stated):
            print(f"{case['ciphertext']}: its length is not exact")
        elif result != "valid" or digest.hexdigest() != case["plaintext_sha256"]:
            print(f"{case['ciphertext']}: {result} {refused}")
        else:
            opened += 1
    print(f"opened {opened} of {len(cases)}")
    return opened == len(cases)


def main(arguments):
    match arguments:
        case []:
            good = check_vectors(Path(__file__).resolve().parent)
        case ["open", folder]:
            good = open_cases(Path(folder))
        case [folder]:
            good = check_vectors(Path(folder))
        case _:
            sys.exit(__doc__)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
