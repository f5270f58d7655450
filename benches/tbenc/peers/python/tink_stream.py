#!/usr/bin/env python3
"""Tink's streaming AEAD (AES256_GCM_HKDF_1MB) on one file, after the example in its documentation."""
import argparse
import os
import shutil
import sys

import tink
from tink import secret_key_access, streaming_aead

BLOCK = 1 << 20


def encrypt(args):
    handle = tink.new_keyset_handle(streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB)
    keyset = tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    with open(os.open(args.key_out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(keyset)
    primitive = handle.primitive(streaming_aead.StreamingAead)
    with open(args.input, "rb") as source, open(args.out, "wb") as target:
        with primitive.new_encrypting_stream(target, b"") as sealed:
            shutil.copyfileobj(source, sealed, BLOCK)


def decrypt(args):
    with open(args.key_file, encoding="utf-8") as file:
        handle = tink.json_proto_keyset_format.parse(file.read(), secret_key_access.TOKEN)
    primitive = handle.primitive(streaming_aead.StreamingAead)
    with open(args.input, "rb") as source, primitive.new_decrypting_stream(source, b"") as plain:
        if args.out == "-":
            shutil.copyfileobj(plain, sys.stdout.buffer, BLOCK)
            return
        with open(args.out, "wb") as target:
            shutil.copyfileobj(plain, target, BLOCK)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["encrypt", "decrypt"])
    parser.add_argument("--in", dest="input", required=True)
    parser.add_argument("--out", required=True, help="file to write; - is standard output (decrypt)")
    parser.add_argument("--key-out")
    parser.add_argument("--key-file")
    args = parser.parse_args()
    streaming_aead.register()
    encrypt(args) if args.command == "encrypt" else decrypt(args)


if __name__ == "__main__":
    main()
