#!/usr/bin/env python3
"""Writes the vectors of tbenc/v1, the same bytes every time.

    generate.py          writes *-v1.json beside this file
    generate.py --check  compares instead; exit 1 where a file differs
    generate.py seal D   encrypts the files that D/cases.json names, for tests of interoperability
"""
import json
import sys
from pathlib import Path

import file_vectors
import key_vectors
import manifest_vectors
import sealing

HERE = Path(__file__).resolve().parent


def documents():
    made = {
        "tbenc-v1.json": file_vectors.document(),
        "keys-v1.json": key_vectors.document(),
        "manifests-v1.json": manifest_vectors.document(),
    }
    return {name: json.dumps(value, indent=1, ensure_ascii=False) + "\n" for name, value in made.items()}


def check():
    made = documents()
    stale = [name for name, content in made.items()
             if not (HERE / name).is_file() or (HERE / name).read_text(encoding="utf-8") != content]
    for name in stale:
        print(f"{name} is not what generate.py writes; run generate.py and look at the difference")
    if stale:
        sys.exit(1)
    print(f"same {len(made)} of {len(made)}")


def seal(folder):
    """cases.json: [{"key", "nonce_prefix", "chunk_bytes", "plaintext": file name, "ciphertext": file name}]"""
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    for case in cases:
        plaintext = (folder / case["plaintext"]).read_bytes()
        key, prefix = bytes.fromhex(case["key"]), bytes.fromhex(case["nonce_prefix"])
        sealed = sealing.seal(plaintext, case["chunk_bytes"], key, prefix)
        (folder / case["ciphertext"]).write_bytes(sealed)
    print(f"sealed {len(cases)} of {len(cases)}")


def main(arguments):
    match arguments:
        case []:
            for name, content in documents().items():
                (HERE / name).write_text(content, encoding="utf-8")
        case ["--check"]:
            check()
        case ["seal", folder]:
            seal(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
