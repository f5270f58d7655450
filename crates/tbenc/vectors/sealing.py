"""A writer of tbenc/v1 with pyca/cryptography (spec 5.2 to 5.4). It can also write what no writer may."""
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC, VERSION, ALGO = b"TBENC001", 1, 1
KEY = hashlib.sha256(b"tbenc vector key").digest()
OTHER_KEY = hashlib.sha256(b"tbenc another key").digest()
PREFIX = bytes.fromhex("a1b2c3d4")


def text(size, name="vector"):
    """Plaintext of any length: SHA-256 of "tbenc <name> 0", "tbenc <name> 1" and so on, joined and cut."""
    blocks = (hashlib.sha256(f"tbenc {name} {n}".encode()).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def header(chunk, prefix=PREFIX, magic=MAGIC, version=VERSION, algo=ALGO, reserved=bytes(13)):
    return magic + struct.pack(">HBI", version, algo, chunk) + prefix + reserved


def aad(chunk, index, pt_len, prefix=PREFIX):
    return header(chunk, prefix)[:19] + struct.pack(">QI", index, pt_len)


def record(chunk, index, plaintext, key=KEY, prefix=PREFIX, nonce=None, data=None):
    """One record. `nonce` and `data` (the associated data) replace the right ones."""
    nonce = prefix + struct.pack(">Q", index) if nonce is None else nonce
    data = aad(chunk, index, len(plaintext), prefix) if data is None else data
    return struct.pack(">I", len(plaintext)) + AESGCM(key).encrypt(nonce, plaintext, data)


def records(plaintext, chunk, key=KEY, prefix=PREFIX):
    starts = range(0, len(plaintext), chunk)
    return [record(chunk, n, plaintext[at:at + chunk], key, prefix) for n, at in enumerate(starts)]


def seal(plaintext, chunk, key=KEY, prefix=PREFIX):
    return header(chunk, prefix) + b"".join(records(plaintext, chunk, key, prefix))
