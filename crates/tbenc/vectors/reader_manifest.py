"""A strict reader of manifests, written from spec 5.5 and the rules in README.md."""
import hashlib
import json
import math
import re
import unicodedata

CHUNK_MAX = 64 * 1024 * 1024
PLAIN_MAX = 16 * 1024 ** 4
BYTES_MAX = 4 * 1024 * 1024
FILES_MAX = 1024
DEPTH_MAX = 127
ROLES = ("config", "tokenizer", "other", "weights")


class Refused(Exception):
    """`error` is the class, `place` what is at fault."""

    def __init__(self, error, place):
        super().__init__(f"{error} {place}")
        self.error, self.place = error, place


def refuse(field):
    raise Refused("MANIFEST", field)


def no_repeats(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        refuse("document")
    return dict(pairs)


def whole_number(text):
    # JSON has no minus zero among the whole numbers, and a number must fit a double.
    if text == "-0":
        return -0.0
    if not math.isfinite(float(text)):
        refuse("document")
    return int(text)


def fraction(text):
    value = float(text)
    return value if math.isfinite(value) else refuse("document")


def depth_of(text):
    """How deep lists and objects stand in one another; brackets in strings do not count."""
    depth = deepest = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def parse_json(raw):
    if len(raw) > BYTES_MAX:
        refuse("document")
    try:
        text = raw.decode("utf-8", errors="strict")
        if depth_of(text) > DEPTH_MAX:
            refuse("document")
        document = json.loads(text, object_pairs_hook=no_repeats, parse_int=whole_number, parse_float=fraction,
                              parse_constant=lambda _: refuse("document"))
        # Half a surrogate pair survives Python's parser, but is no text.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, ValueError):
        refuse("document")
    return document


def is_text(value):
    return isinstance(value, str)


def is_flag(value):
    return isinstance(value, bool)


def is_count(bits):
    return lambda value: type(value) is int and 0 <= value < 1 << bits


def is_role(value):
    return value in ROLES if is_text(value) else False


def is_entry(value):
    return isinstance(value, dict) and all(name in value and kind(value[name]) for name, kind in ENTRY.items())


def is_entries(value):
    return isinstance(value, list) and all(is_entry(item) for item in value)


ENTRY = {"path": is_text, "blob": is_text, "role": is_role, "plaintext_bytes": is_count(64),
         "plaintext_sha256": is_text, "sha256_ciphertext": is_text}
REQUIRED = {"format": is_text, "algo": is_text, "chunk_bytes": is_count(32), "plaintext_bytes": is_count(64),
            "sha256_ciphertext": is_text, "asset_id": is_text, "weights_filename": is_text}
NULLABLE = {"files": is_entries, "key_commitment": is_text, "plaintext_sha256": is_text, "created_at": is_text,
            "tool": is_text}


def check_types(document):
    good = isinstance(document, dict)
    good = good and all(name in document and kind(document[name]) for name, kind in REQUIRED.items())
    good = good and is_flag(document.get("allow_finetune", True))
    good = good and all(document.get(name) is None or kind(document[name]) for name, kind in NULLABLE.items())
    if not good:
        refuse("document")


def has_control(text):
    return any(unicodedata.category(character) == "Cc" for character in text)


def is_path(text):
    names = text.split("/")
    return (len(text.encode()) <= 512 and "\\" not in text and not has_control(text)
            and all(name not in ("", ".", "..") and len(name.encode()) <= 240 for name in names))


def is_digest(text):
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def is_note(text):
    return len(text.encode()) <= 128 and not has_control(text)


def check_manifest(raw):
    """Gives the manifest's fields; raises Refused with the field at fault."""
    document = parse_json(raw)
    check_types(document)
    rules = [
        ("format", document["format"] == "tbenc/v1"), ("algo", document["algo"] == "aes-256-gcm-chunked"),
        ("chunk_bytes", 1 <= document["chunk_bytes"] <= CHUNK_MAX),
        ("plaintext_bytes", document["plaintext_bytes"] <= PLAIN_MAX),
        ("sha256_ciphertext", is_digest(document["sha256_ciphertext"])),
        ("asset_id", re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", document["asset_id"]) is not None),
    ]
    for name, rule in [("key_commitment", is_digest), ("plaintext_sha256", is_digest), ("created_at", is_note),
                       ("tool", is_note)]:
        rules.append((name, document.get(name) is None or rule(document[name])))
    for name, kept in rules:
        if not kept:
            refuse(name)
    if document.get("files") is None:
        if not is_path(document["weights_filename"]):
            refuse("weights_filename")
    else:
        check_directory(document, document["files"])
    return document


def check_directory(document, files):
    if document["weights_filename"] != "files/":
        refuse("weights_filename")
    if document.get("plaintext_sha256") is not None:
        refuse("plaintext_sha256")
    if not 1 <= len(files) <= FILES_MAX:
        refuse("files")
    for n, file in enumerate(files):
        check_entry(f"files[{n}]", file)
    check_places(files)
    check_order(files)
    if document["plaintext_bytes"] != sum(file["plaintext_bytes"] for file in files):
        refuse("plaintext_bytes")
    lines = [file["sha256_ciphertext"] + "  " + file["blob"] + "\n" for file in files]
    if document["sha256_ciphertext"] != hashlib.sha256("".join(lines).encode()).hexdigest():
        refuse("sha256_ciphertext")


def check_entry(place, file):
    if not is_path(file["path"]):
        refuse(f"{place}.path")
    if not is_path(file["blob"]) or not file["blob"].startswith("files/"):
        refuse(f"{place}.blob")
    if file["plaintext_bytes"] > PLAIN_MAX:
        refuse(f"{place}.plaintext_bytes")
    for name in ("plaintext_sha256", "sha256_ciphertext"):
        if not is_digest(file[name]):
            refuse(f"{place}.{name}")


def check_places(files):
    """No path and no blob stands twice, and no file lies in another one."""
    paths = [file["path"] for file in files]
    blobs = [file["blob"] for file in files]
    for n, path in enumerate(paths):
        if path in paths[:n]:
            refuse(f"files[{n}].path")
        if blobs[n] in blobs[:n]:
            refuse(f"files[{n}].blob")
        if any(path.startswith(other + "/") for other in paths):
            refuse(f"files[{n}].path")


def check_order(files):
    """Weights stand last, and their numbers count as numbers."""
    for n in range(1, len(files)):
        before, after = files[n - 1], files[n]
        if before["role"] != "weights":
            continue
        if after["role"] != "weights" or not comes_before(before["path"], after["path"]):
            refuse(f"files[{n}].path")


def comes_before(left, right):
    """Digits and other characters in turn; where the runs are the same but for leading zeros, the text decides."""
    runs = [re.findall(r"[0-9]+|[^0-9]+", text) for text in (left, right)]
    for a, b in zip(*runs, strict=False):
        if a[0] in "0123456789" and b[0] in "0123456789":
            if int(a) != int(b):
                return int(a) < int(b)
        elif a != b:
            return a < b
    if len(runs[0]) != len(runs[1]):
        return len(runs[0]) < len(runs[1])
    return left < right
