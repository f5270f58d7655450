#!/usr/bin/env python3
"""Writes the vectors as seeds of the fuzz targets: seeds.py OUT makes OUT/{header,stream,manifest}/."""
import json
import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def vectors(name):
    return enumerate(json.loads((VECTORS / name).read_text(encoding="utf-8"))["vectors"])


def stream_seed(vector, file):
    """As fuzz_targets/stream.rs reads it: the manifest's numbers, whether the digest is another one, the file."""
    manifest = vector["manifest"]
    numbers = manifest["plaintext_bytes"].to_bytes(8, "big") + manifest["chunk_bytes"].to_bytes(4, "big")
    return numbers + bytes([vector.get("error") == "DIGEST"]) + file


def main(out):
    for target in ("header", "stream", "manifest"):
        (out / target).mkdir(parents=True, exist_ok=True)
    for n, vector in vectors("tbenc-v1.json"):
        # A recipe stands for a file too long to be a seed.
        if "ciphertext" in vector:
            file = bytes.fromhex(vector["ciphertext"])
            (out / "stream" / f"seed-{n}").write_bytes(stream_seed(vector, file))
            (out / "header" / f"seed-{n}").write_bytes(file[:32])
    for n, vector in vectors("manifests-v1.json"):
        raw = bytes.fromhex(vector["manifest_hex"]) if "manifest_hex" in vector else vector["manifest"].encode()
        (out / "manifest" / f"seed-{n}").write_bytes(raw)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
