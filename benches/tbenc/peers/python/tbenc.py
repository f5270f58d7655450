#!/usr/bin/env python3
"""tbenc/v1 in straightforward Python (cryptography, hashlib), the way one writes it first.

It is what `trustbridge` is measured against: read a chunk, seal it, hash it, write it.
"""
import argparse
import hashlib
import json
import os
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC, VERSION, ALGO = b"TBENC001", 1, 1
HEADER_BYTES, AAD_PREFIX, TAG_BYTES = 32, 19, 16
MAX_CHUNK_BYTES = 64 << 20


class Refused(Exception):
    """The file is not what its manifest says."""


def header(chunk_bytes, prefix):
    return MAGIC + struct.pack(">HBI", VERSION, ALGO, chunk_bytes) + prefix + bytes(13)


def encrypt(args):
    key, prefix = AESGCM.generate_key(bit_length=256), os.urandom(4)
    aead, head = AESGCM(key), header(args.chunk_bytes, prefix)
    digest, size, index = hashlib.sha256(head), 0, 0
    with open(args.input, "rb") as source, open(args.out, "wb") as target:
        target.write(head)
        while chunk := source.read(args.chunk_bytes):
            nonce = prefix + struct.pack(">Q", index)
            length = struct.pack(">I", len(chunk))
            sealed = aead.encrypt(nonce, chunk, head[:AAD_PREFIX] + struct.pack(">Q", index) + length)
            for part in (length, sealed):
                digest.update(part)
                target.write(part)
            size += len(chunk)
            index += 1
    with open(os.open(args.key_out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.hex() + "\n")
    with open(args.manifest, "w") as file:
        json.dump({
            "format": "tbenc/v1", "algo": "aes-256-gcm-chunked", "chunk_bytes": args.chunk_bytes,
            "plaintext_bytes": size, "sha256_ciphertext": digest.hexdigest(), "asset_id": args.asset_id,
            "weights_filename": "model.tbenc", "allow_finetune": True,
        }, file, indent=2)
        file.write("\n")


def read_exactly(source, count, what):
    data = source.read(count)
    if len(data) != count:
        raise Refused(f"{what}: the file ends early")
    return data


def open_records(source, target, key, manifest):
    """Checks every record and writes its plaintext; the manifest's length says where the file must end."""
    head = read_exactly(source, HEADER_BYTES, "header")
    chunk_bytes, prefix = manifest["chunk_bytes"], head[15:19]
    if not 0 < chunk_bytes <= MAX_CHUNK_BYTES or head != header(chunk_bytes, prefix):
        raise Refused("header: not tbenc/v1 with the manifest's chunk_bytes")
    aead, left, index = AESGCM(key), manifest["plaintext_bytes"], 0
    while left > 0:
        length = read_exactly(source, 4, f"record {index}")
        want = min(chunk_bytes, left)
        if length != struct.pack(">I", want):
            raise Refused(f"record {index}: pt_len is not {want}")
        sealed = read_exactly(source, want + TAG_BYTES, f"record {index}")
        counter = struct.pack(">Q", index)
        try:
            plain = aead.decrypt(prefix + counter, sealed, head[:AAD_PREFIX] + counter + length)
        except InvalidTag:
            raise Refused(f"record {index}: not authentic") from None
        target.write(plain)
        left -= want
        index += 1
    if source.read(1):
        raise Refused("bytes follow the last record")


def verify(args, manifest):
    with open(args.input, "rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    if digest != manifest["sha256_ciphertext"]:
        raise Refused("sha256_ciphertext is not the file's")


def decrypt(args):
    with open(args.manifest, encoding="utf-8") as file:
        manifest = json.load(file)
    if args.verify or args.command == "verify":
        verify(args, manifest)
    if args.command == "verify":
        return
    with open(args.key_file, encoding="ascii") as file:
        key = bytes.fromhex(file.read())
    with open(args.input, "rb") as source:
        if args.out == "-":
            open_records(source, sys.stdout.buffer, key, manifest)
            return
        try:
            with open(args.out, "wb") as target:
                open_records(source, target, key, manifest)
        except BaseException:
            os.remove(args.out)
            raise


def chunk_bytes_argument(text):
    value = int(text)
    if not 0 < value <= MAX_CHUNK_BYTES:
        raise argparse.ArgumentTypeError(f"{value}: must be 1 to {MAX_CHUNK_BYTES}")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["encrypt", "decrypt", "verify"])
    parser.add_argument("--in", dest="input", required=True)
    parser.add_argument("--out", help="file to write; - is standard output (decrypt)")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--asset-id")
    parser.add_argument("--key-out")
    parser.add_argument("--key-file")
    parser.add_argument("--chunk-bytes", type=chunk_bytes_argument, default=4 << 20)
    parser.add_argument("--verify", action="store_true", help="check sha256_ciphertext in a pass of its own first")
    args = parser.parse_args()
    try:
        encrypt(args) if args.command == "encrypt" else decrypt(args)
    except (Refused, OSError) as error:
        sys.exit(f"tbenc.py: {error}")


if __name__ == "__main__":
    main()
