"""Vectors of keys: their text form, and what is derived from them."""
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealing import KEY, OTHER_KEY


def derive(key, purpose, context):
    info = b"trustbridge/tbenc/v1/" + purpose + b"\0" + context.encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(key)


def derivations():
    paths = ["config.json", "model-00001-of-00002.safetensors", "original/consolidated.00.pth", "naïve.json",
             "a", "x" * 240, "a/" * 200 + "b", "with space.bin", "模型.safetensors"]
    ids = ["tb-asset-123", "tb-asset-e2e-001", "0", "A" * 128, "a.b_c-d"]
    for key in (KEY, OTHER_KEY, bytes(32), b"\xff" * 32):
        for purpose, contexts in ((b"file", paths), (b"commit", ids)):
            for context in contexts:
                yield {"purpose": purpose.decode(), "key": key.hex(), "context": context,
                       "derived": derive(key, purpose, context).hex()}


def texts():
    good = KEY.hex()
    for comment, text in [
        ("lowercase", good), ("uppercase", good.upper()), ("mixed case", good[:32].upper() + good[32:]),
        ("zeros", "0" * 64), ("all bits", "f" * 64),
    ]:
        yield {"comment": comment, "flags": ["Valid"], "text": text, "result": "valid", "key": text.lower()}
    bad = [
        ("nothing", "InvalidKeySize", ""), ("one character", "InvalidKeySize", "0"),
        ("a 128-bit key", "InvalidKeySize", good[:32]), ("62 characters", "InvalidKeySize", good[:62]),
        ("63 characters", "InvalidKeySize", good[:63]), ("65 characters", "InvalidKeySize", good + "0"),
        ("66 characters", "InvalidKeySize", good + "00"), ("a 512-bit key", "InvalidKeySize", good * 2),
        ("a newline follows", "InvalidKeyText", good + "\n"),
        ("a newline is the 64th character", "InvalidKeyText", good[:63] + "\n"),
        ("a space leads", "InvalidKeyText", " " + good), ("a space follows", "InvalidKeyText", good + " "),
        ("a space is the first of 64", "InvalidKeyText", " " + good[:63]),
        ("spaces between bytes, 64 characters", "InvalidKeyText", " ".join(["0f"] * 21) + " 0"),
        ("0x leads", "InvalidKeyText", "0x" + good[:62]), ("a plus sign", "InvalidKeyText", "+" + good[:63]),
        ("a minus sign", "InvalidKeyText", "-" + good[:63]),
        ("an underscore", "InvalidKeyText", good[:31] + "_" + good[32:]),
        ("g, which is no digit", "InvalidKeyText", good[:63] + "g"),
        ("G, which is no digit", "InvalidKeyText", "G" + good[:63]),
        ("a colon between", "InvalidKeyText", good[:20] + ":" + good[21:]),
        ("a NUL at the end", "InvalidKeyText", good[:63] + "\0"),
        ("a tab inside", "InvalidKeyText", good[:10] + "\t" + good[11:]),
        ("a fullwidth digit", "InvalidKeyText", good[:63] + "０"),
        ("64 bytes of UTF-8 in 63 characters", "InvalidKeyText", good[:62] + "é"),
        ("base64", "InvalidKeyText", "JFrGVVLObFvIsK9E8pGlcmRuJ2wEcBuY0cs8aN+c56U="),
        ("quotes", "InvalidKeyText", '"' + good[:62] + '"'),
    ]
    for comment, flag, text in bad:
        yield {"comment": comment, "flags": [flag], "text": text, "result": "invalid", "error": "KEY"}


def document():
    return {"format": "tbenc/v1", "derivations": list(derivations()), "texts": list(texts())}
