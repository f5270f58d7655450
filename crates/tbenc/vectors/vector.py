"""The form of a file vector."""
import hashlib

from sealing import KEY, PREFIX, header, records, text

SMALL_CHUNK = 16
SMALL = text(40)
LIMIT_CHUNK = 64 << 20


def exact_length(size, chunk):
    return 32 + size + 20 * -(-size // max(chunk, 1))


class Vectors:
    """Collects vectors. `released` counts the plaintext bytes a reader may have given out before it refused."""

    def __init__(self):
        self.made = []
        self._large = {}

    def good(self, comment, blob, plain, chunk, key=KEY, flag="Valid"):
        self._add(comment, flag, blob, None, len(plain), len(plain), chunk, key, plain)

    def bad(self, comment, flag, blob, error, released, size=40, chunk=SMALL_CHUNK, key=KEY, plain=SMALL, stated=None):
        self._add(comment, flag, blob, error, released, size, chunk, key, plain, stated)

    def large(self, comment, count, ranges, error, released):
        """Records of one byte each, as a recipe: the ranges of records in the order in which they stand."""
        if count not in self._large:
            self._large[count] = records(text(count), 1)
        every = self._large[count]
        chosen = [every[n] for first, last in ranges for n in range(first, last + 1)]
        blob = header(1) + b"".join(chosen)
        recipe = {"text_bytes": count, "nonce_prefix": PREFIX.hex(), "chunk_bytes": 1, "records": ranges}
        self._add(comment, "CounterRollover", blob, error, released, count, 1, KEY, text(count), recipe=recipe)

    def _add(self, comment, flag, blob, error, released, size, chunk, key, plain, stated=None, recipe=None):
        assert released <= len(plain)
        flags = [flag]
        if error is not None and released > 0:
            flags.append("PartialPlaintext")
        made = {
            "comment": comment, "flags": flags, "key": key.hex(),
            "manifest": {
                "plaintext_bytes": size, "chunk_bytes": chunk,
                "sha256_ciphertext": hashlib.sha256(blob).hexdigest() if stated is None else stated,
            },
        }
        made.update({"ciphertext": blob.hex()} if recipe is None else {"recipe": recipe})
        made["length_is_exact"] = len(blob) == exact_length(size, chunk)
        made["result"] = "valid" if error is None else "invalid"
        if error is not None:
            made["error"] = error
        made["released_bytes"] = released
        made["released_sha256"] = hashlib.sha256(plain[:released]).hexdigest()
        self.made.append(made)
