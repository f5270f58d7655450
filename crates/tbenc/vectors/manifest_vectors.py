"""Vectors of manifests (spec 5.5 and what a directory of files adds to it)."""
import hashlib
import json

from key_vectors import derive
from sealing import KEY, OTHER_KEY

SPEC = {
    "format": "tbenc/v1", "algo": "aes-256-gcm-chunked", "chunk_bytes": 4194304, "plaintext_bytes": 53821440000,
    "sha256_ciphertext": "a" * 64, "asset_id": "tb-asset-123", "weights_filename": "model.tbenc",
    "allow_finetune": True,
}


def entry(path, role, size=7):
    digest = hashlib.sha256(path.encode()).hexdigest()
    return {"path": path, "blob": f"files/{path}.tbenc", "role": role, "plaintext_bytes": size,
            "plaintext_sha256": digest, "sha256_ciphertext": digest}


def directory_digest(files):
    lines = "".join(f"{file['sha256_ciphertext']}  {file['blob']}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def directory(files=None, **more):
    """A manifest of a directory; sums and digest follow the files unless `more` says otherwise."""
    if files is None:
        files = [entry("config.json", "config"), entry("tokenizer.json", "tokenizer"), entry("notes/a.txt", "other"),
                 entry("model-2.safetensors", "weights"), entry("model-10.safetensors", "weights")]
    return SPEC | {"weights_filename": "files/", "plaintext_bytes": sum(file["plaintext_bytes"] for file in files),
                   "sha256_ciphertext": directory_digest(files), "files": files} | more


class Manifests:
    """Collects vectors; `field` is the one that a refusal names ("document" for the JSON itself)."""

    def __init__(self):
        self.made = []

    def good(self, comment, content, flag="Valid", **more):
        self._add(comment, flag, content, {"result": "valid"} | more)

    def bad(self, comment, field, content, flag="InvalidManifest"):
        self._add(comment, flag, content, {"result": "invalid", "error": "MANIFEST", "field": field})

    def _add(self, comment, flag, content, outcome):
        if isinstance(content, dict | list):
            content = json.dumps(content, ensure_ascii=False)
        place = {"manifest_hex": content.hex()} if isinstance(content, bytes) else {"manifest": content}
        self.made.append({"comment": comment, "flags": [flag]} | place | outcome)


def without(document, field):
    return {name: value for name, value in document.items() if name != field}


def scalars(m):
    m.good("the spec's fields alone", SPEC)
    m.good("without allow_finetune", without(SPEC, "allow_finetune"))
    m.good("not for fine-tuning", SPEC | {"allow_finetune": False})
    m.good("every field of a single file", SPEC | {
        "key_commitment": "0" * 64, "plaintext_sha256": "b" * 64, "created_at": "2026-01-01T00:00:00Z",
        "tool": "trustbridge 0.1.0"})
    m.good("null for what is optional", SPEC | {
        "files": None, "key_commitment": None, "plaintext_sha256": None, "created_at": None, "tool": None})
    m.good("unknown fields are ignored", {"note": {"a": [1, 2.5, None, True, "x"]}} | SPEC | {"z": -1}, "UnknownField")
    for field, values in {
        "chunk_bytes": [1, 67108864], "plaintext_bytes": [0, 1, 1 << 44], "weights_filename": ["a/b/c", "naïve.tbenc", "..a"],
        "asset_id": ["0", "A" * 128, "a.b_c-d"], "created_at": ["", "x" * 128], "tool": ["", "é" * 64],
        "sha256_ciphertext": ["0123456789abcdef" * 4],
    }.items():
        for value in values:
            m.good(f"{field} {str(value)[:40]!r}", SPEC | {field: value})
    broken = {
        "format": ["tbenc/v2", "TBENC/V1", "", "tbenc/v1 "], "algo": ["aes-128-gcm-chunked", "AES-256-GCM-CHUNKED", ""],
        "chunk_bytes": [0, 67108865, 4294967295], "plaintext_bytes": [(1 << 44) + 1, (1 << 64) - 1],
        "sha256_ciphertext": ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, " " + "a" * 63, "sha256:" + "a" * 57],
        "asset_id": ["", "../other", ".hidden", "-a", "_a", "a b", "a/b", "é", "a\n", "A" * 129],
        "weights_filename": ["", "/etc/passwd", "a/../b", "..", ".", "a/./b", "a//b", "a/", "a\\b", "a\nb", "a\u0000b",
                             "a\u007fb", "a\u0085b", "x" * 241, "/".join(["x" * 200] * 3), "../model.tbenc"],
        "key_commitment": ["", "short", "A" * 64], "plaintext_sha256": ["", "short", "A" * 64],
        "created_at": ["x" * 129, "a\nb"], "tool": ["é" * 65, "a\u001b[0m"],
    }
    for field, values in broken.items():
        for value in values:
            shown = value if isinstance(value, int) else f"{value[:40]!r} of {len(value)} characters"
            m.bad(f"{field} {shown}", field, SPEC | {field: value})


def types(m):
    for field in without(SPEC, "allow_finetune"):
        m.bad(f"without {field}", "document", without(SPEC, field), "MissingField")
    wrong = {
        "format": [1, None, ["tbenc/v1"]], "chunk_bytes": ["16", 16.0, -1, None, True, [16], 1 << 32],
        "plaintext_bytes": ["1", 1.5, -1, None, False, 1 << 64], "sha256_ciphertext": [0, None], "asset_id": [7, None, {}],
        "weights_filename": [None, 1, ["model.tbenc"]], "allow_finetune": [None, 0, 1, "true", []],
        "key_commitment": [1, []], "plaintext_sha256": [False], "created_at": [1767225600], "tool": [{}],
        "files": [{}, "files/", 1],
    }
    for field, values in wrong.items():
        for value in values:
            m.bad(f"{field} is {json.dumps(value)}", "document", SPEC | {field: value}, "WrongType")
    text = json.dumps(SPEC)
    for number in ["1e3", "4194304.0", "-0", "0x10", "04", "+4", "1_000", "NaN", "Infinity"]:
        m.bad(f"chunk_bytes is {number}", "document", text.replace("4194304", number), "WrongType")
    m.bad("a list of the fields' values", "document", list(SPEC.values()) + [None] * 5, "WrongType")
    file = entry("a", "other")
    m.bad("a list of an entry's values", "document", directory([file]) | {"files": [list(file.values())]}, "WrongType")
    for role in ["", "Weights", "adapter", None, 3, {"other": None}, ["other"]]:
        m.bad(f"role {json.dumps(role)}", "document", directory([file | {"role": role}]), "WrongType")
    for field in file:
        m.bad(f"an entry without {field}", "document", directory() | {"files": [without(file, field)]}, "MissingField")


def documents(m):
    text = json.dumps(SPEC)
    for comment, content in [
        ("nothing", ""), ("space", " \n"), ("a list", "[]"), ("an empty object", "{}"), ("null", "null"),
        ("a string", '"tbenc/v1"'), ("two documents", text + text), ("text behind the document", text + "x"),
        ("a comma too many", text[:-1] + ",}"), ("a comment", text[:-1] + "/**/}"), ("cut off", text[:-1]),
        ("single quotes", text.replace('"', "'")), ("a byte order mark", "\ufeff" + text),
        ("a raw newline in a string", text.replace("tb-asset-123", "a\nb")),
        ("half a surrogate pair", text.replace("tb-asset-123", "\\ud800")),
        ("half a surrogate pair in an unknown field", text.replace("{", '{"x": "\\udc00", ', 1)),
        ("an unknown escape", text.replace("tb-asset-123", "\\x41")),
        ("a number too large for a double", text.replace("{", '{"x": 1e400, ', 1)),
        ("NaN in an unknown field", text.replace("{", '{"x": NaN, ', 1)),
        ("a vertical tab between", text.replace(" ", "\v", 1)), ("a no-break space between", text.replace(" ", "\u00a0", 1)),
        ("200 lists in one another", text.replace("{", '{"x": ' + "[" * 200 + "]" * 200 + ", ", 1)),
        ("200 lists that do not end", "[" * 200),
    ]:
        m.bad(comment, "document", content, "InvalidJson")
    for comment, content in [("not UTF-8", b"\xff"), ("UTF-16", text.encode("utf-16")),
                             ("Latin-1 in a string", text.replace("tb-asset-123", "\u00e9").encode("latin-1")),
                             ("an overlong encoding",
                              text.replace("tb-asset-123", "x").encode().replace(b'"x"', b'"\xc0\xaf"'))]:
        m.bad(comment, "document", content, "InvalidJson")
    m.good("escapes that spell the value", text.replace("tb-asset-123", "\\u0074b-asset-123"))
    m.good("space around", f"\r\n\t {text} \n")
    m.good("100 lists in one another", text.replace("{", '{"x": ' + "[" * 100 + "]" * 100 + ", ", 1))
    m.good("a surrogate pair in an unknown field", text.replace("{", '{"x": "\\ud83d\\ude00", ', 1))
    m.good("large numbers in an unknown field", text.replace("{", '{"x": [1e300, 123456789012345678901234567890, -0], ', 1))
    for comment, content in [
        ("asset_id twice", text.replace("{", '{"asset_id": "tb-other", ', 1)),
        ("the same value twice", text.replace("{", '{"asset_id": "tb-asset-123", ', 1)),
        ("a field twice, once escaped", text.replace("{", '{"\\u0061sset_id": "tb-other", ', 1)),
        ("an unknown field twice", text.replace("{", '{"x": 1, "x": 1, ', 1)),
        ("a key twice in an unknown field", text.replace("{", '{"x": {"a": [{"b": 1, "b": 2}]}, ', 1)),
        ("an empty key twice", text.replace("{", '{"": 1, "": 2, ', 1)),
        ("an optional field twice, null first", text.replace("{", '{"tool": null, "tool": "x", ', 1)),
        ("a key twice in an entry", json.dumps(directory()).replace('"role": "other"', '"role": "other", "role": "weights"')),
    ]:
        m.bad(comment, "document", content, "DuplicateKey")


def directories(m):
    m.good("a directory", directory())
    m.good("a directory of one file", directory([entry("a", "weights")]))
    m.good("a directory of empty files", directory([entry("a", "other", 0), entry("b", "weights", 0)]))
    m.good("the same content twice", directory([entry("a", "other"), entry("b", "other") | {
        "sha256_ciphertext": hashlib.sha256(b"a").hexdigest()}]))
    m.good("roles before the weights in any order",
           directory([entry("z", "other"), entry("b", "config"), entry("a", "tokenizer"), entry("c", "weights")]))
    m.good("weights in natural order",
           directory([entry(f"m-{n}", "weights") for n in ["1", "2", "09", "9a", "10", "00011", "99999999999999999999"]]))
    m.good("an unknown field in an entry", directory([entry("a", "other") | {"x": 1}]), "UnknownField")
    one, two = entry("a", "other"), entry("b", "other")

    def refused(comment, field, files, **more):
        m.bad(comment, field, directory(files, **more))

    for path in ["", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a\\b", "a\u0000", "x" * 241]:
        shown = f"{path[:20]!r} of {len(path)} characters"
        refused(f"path {shown}", "files[1].path", [one, two | {"path": path}])
        refused(f"blob files/ and {shown}", "files[1].blob", [one, two | {"blob": "files/" + path}])
    for blob in ["", "b.tbenc", "/files/b", "File/b", "files", "../files/b"]:
        refused(f"blob {blob!r}", "files[1].blob", [one, two | {"blob": blob}])
    for field in ("plaintext_sha256", "sha256_ciphertext"):
        for value in ["", "A" * 64, "0" * 63]:
            refused(f"an entry with {field} {value[:4]!r} of {len(value)} characters", f"files[1].{field}", [one, two | {field: value}])
    refused("a file over 16 TiB", "files[1].plaintext_bytes", [one, two | {"plaintext_bytes": (1 << 44) + 1}],
            plaintext_bytes=1 << 44)
    refused("a path twice", "files[1].path", [one, two | {"path": "a"}])
    refused("a blob twice", "files[1].blob", [one, two | {"blob": one["blob"]}])
    refused("a file in a file", "files[1].path", [one, two | {"path": "a/b"}])
    refused("a file in a file that comes later", "files[0].path", [two | {"path": "a/b/c"}, one])
    weights = [entry("m-2", "weights"), entry("m-10", "weights")]
    refused("weights in the order of text", "files[1].path", weights[::-1])
    refused("weights of the same number with another count of zeros", "files[1].path",
            [entry("m-1", "weights"), entry("m-01", "weights")])
    refused("configuration after weights", "files[1].path", [weights[0], entry("config.json", "config")])
    refused("no file", "files", [])
    refused("the sum is one too large", "plaintext_bytes", [one, two], plaintext_bytes=15)
    refused("the sum is one too small", "plaintext_bytes", [one, two], plaintext_bytes=13)
    refused("the digest is of another order", "sha256_ciphertext", [one, two],
            sha256_ciphertext=directory_digest([two, one]))
    refused("the digest is of no file", "sha256_ciphertext", [one, two], sha256_ciphertext=directory_digest([]))
    refused("plaintext_sha256 of a directory", "plaintext_sha256", [one, two], plaintext_sha256="a" * 64)
    for name in ["model.tbenc", "files", "files/a.tbenc", "./files/"]:
        refused(f"weights_filename {name!r} of a directory", "weights_filename", [one, two], weights_filename=name)
    m.bad("weights_filename of a directory without files", "weights_filename", SPEC | {"weights_filename": "files/"})


def commitments(m):
    stated = derive(KEY, b"commit", SPEC["asset_id"]).hex()
    for comment, document, key, outcome in [
        ("the key is the one committed to", SPEC | {"key_commitment": stated}, KEY, "same"),
        ("another key", SPEC | {"key_commitment": stated}, OTHER_KEY, "differs"),
        ("the key of another asset", SPEC | {"key_commitment": stated, "asset_id": "tb-asset-124"}, KEY, "differs"),
        ("a commitment with one digit changed",
         SPEC | {"key_commitment": f"{int(stated[0], 16) ^ 1:x}" + stated[1:]}, KEY, "differs"),
        ("the key of a file where the asset's belongs", SPEC | {"key_commitment": stated},
         derive(KEY, b"file", "config.json"), "differs"),
        ("no commitment", SPEC, KEY, "absent"),
        ("a directory's commitment", directory(key_commitment=stated), KEY, "same"),
    ]:
        flag = "WrongKey" if outcome == "differs" else "Valid"
        m.good(comment, document, flag, key=key.hex(), commitment=outcome)


def document():
    manifests = Manifests()
    for group in (scalars, types, documents, directories, commitments):
        group(manifests)
    comments = [made["comment"] for made in manifests.made]
    assert len(set(comments)) == len(comments), "two vectors have the same comment"
    return {"format": "tbenc/v1", "vectors": manifests.made}
