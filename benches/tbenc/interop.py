"""Proof that every contender does its work: what one seals, it opens; the tbenc ones open each other's files.

Nothing is timed here.
"""
import hashlib
import os
import shutil
import subprocess

from contenders import ASSET

CHUNK = 64 << 10
# Plaintext bytes: nothing, one byte, around a chunk's edge, several chunks and a rest.
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7)
DEADLINE = 120


class Disagreement(Exception):
    """Two programs do not agree, or one accepts what it must refuse."""


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def execute(command, **kwargs):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=DEADLINE, check=False, **kwargs)


def must(command, what, **kwargs):
    done = execute(command, stdout=kwargs.pop("stdout", subprocess.DEVNULL), **kwargs)
    if done.returncode:
        raise Disagreement(f"{what}: exit code {done.returncode}: {tail(done.stderr)}")


def tail(output):
    return output[-600:].decode(errors="replace").strip()


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def round_trips(contenders, plain, work):
    """Seals and opens a file with each, to every sink it has; gives the number of files opened."""
    expected, opened = digest(plain), 0
    head = plain.read_bytes()[:4096]
    for one in contenders:
        folder, out = fresh(work / one.slug), work / "out"
        must(one.encrypt(plain, folder), f"{one.name} encrypts")
        sealed = max(folder.iterdir(), key=lambda path: path.stat().st_size)
        if one.slug != "cp" and head in sealed.read_bytes():
            raise Disagreement(f"{one.name}: plaintext stands in its output")
        if one.to_file:
            must(one.decrypt(folder, out), f"{one.name} decrypts to a file")
            opened += same(out, expected, one.name)
        if one.to_pipe:
            with open(out, "wb") as target:
                must(one.decrypt(folder, None), f"{one.name} decrypts to a pipe", stdout=target)
            opened += same(out, expected, one.name)
    return opened


def same(out, expected, name):
    if digest(out) != expected:
        raise Disagreement(f"{name}: gives back other bytes than it was given")
    out.unlink()
    return 1


def cross(tbenc, work):
    """Every tbenc program opens what every other one sealed; gives (files opened, damaged files refused)."""
    opened = refused = 0
    plain, out = work / "edge", work / "out"
    for size in SIZES:
        plain.write_bytes(os.urandom(size))
        expected = digest(plain)
        for writer in tbenc:
            folder = fresh(work / writer.slug)
            must([*writer.encrypt(plain, folder), "--chunk-bytes", str(CHUNK)], f"{writer.name} encrypts {size} bytes")
            for reader in tbenc:
                must(reader.decrypt(folder, out), f"{reader.name} opens {size} bytes of {writer.name}")
                opened += same(out, expected, f"{reader.name} on a file of {writer.name}")
        # Nothing but the file's digest, which a reader of records does not look at, covers the header of no records.
        if size:
            refused += sum(refuses(reader, folder, out) for reader in tbenc)
    plain.unlink()
    return opened, refused


def refuses(reader, folder, out):
    """A reader must refuse each damaged copy, and leave nothing behind."""
    path = folder / "model.tbenc"
    good = path.read_bytes()
    middle = len(good) // 2
    damaged = {
        "a changed header": b"X" + good[1:],
        "a changed last byte": good[:-1] + bytes([good[-1] ^ 1]),
        "a changed byte in the middle": good[:middle] + bytes([good[middle] ^ 0x80]) + good[middle + 1:],
        "a missing last byte": good[:-1],
        "a byte too many": good + b"\0",
    }
    for what, data in damaged.items():
        path.write_bytes(data)
        if execute(reader.decrypt(folder, out), stdout=subprocess.DEVNULL).returncode == 0:
            raise Disagreement(f"{reader.name} accepts a file with {what}")
        if out.exists():
            raise Disagreement(f"{reader.name} refused a file with {what}, but left its output")
    path.write_bytes(good)
    return len(damaged)


def directory(binary, model, work):
    """A model directory comes back as it was; gives the number of its files."""
    sealed, back = work / "directory", work / "back"
    must(encrypt_directory(binary, model, sealed, work / "directory.key"), "trustbridge encrypts a directory")
    must([binary, "decrypt", "--in", sealed, "--key-file", work / "directory.key", "--out", back],
         "trustbridge decrypts a directory")
    names = sorted(path.relative_to(model) for path in model.rglob("*") if path.is_file())
    if [digest(model / name) for name in names] != [digest(back / name) for name in names]:
        raise Disagreement("trustbridge: the directory did not come back as it was")
    for path in (sealed, back):
        shutil.rmtree(path)
    (work / "directory.key").unlink()
    return len(names)


def encrypt_directory(binary, model, out, key):
    return [binary, "encrypt", "--in", model, "--out", out, "--asset-id", ASSET, "--key-out", key]
