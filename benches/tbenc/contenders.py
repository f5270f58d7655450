"""Who takes part, and how each is called. No key or password is ever an argument: files, mode 0600."""
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ASSET = "tb-asset-bench"


@dataclass(frozen=True)
class Contender:
    """One tool. `folder` is its own: what it seals lies there, and what it needs to open it again."""
    slug: str
    name: str
    # (plain file, folder) -> command that seals the file into the folder.
    encrypt: Callable
    # (folder, output or None for standard output) -> command that opens it again.
    decrypt: Callable | None = None
    to_file: bool = True
    to_pipe: bool = True
    # (folder) -> command that checks the ciphertext's SHA-256 and nothing else.
    verify: Callable | None = None
    # What `decrypt` needs besides to check that digest in a pass of its own first, as the spec's reader does.
    digest_first: str | None = None


def tbenc(slug, name, program, seal=(), **more):
    """The command line that `trustbridge` and the tbenc peers share."""
    def encrypt(plain, folder):
        return [*program, "encrypt", "--in", plain, "--out", folder / "model.tbenc",
                "--manifest", folder / "model.manifest.json", "--asset-id", ASSET,
                "--key-out", folder / "key", *seal]

    def decrypt(folder, out):
        return [*program, "decrypt", "--in", folder / "model.tbenc", "--manifest", folder / "model.manifest.json",
                "--key-file", folder / "key", "--out", out or "-"]

    def verify(folder):
        return [*program, "verify", "--in", folder / "model.tbenc", "--manifest", folder / "model.manifest.json"]

    return Contender(slug, name, encrypt, decrypt, verify=verify, **more)


def ours(binary):
    """`trustbridge`, as it is by default, and without the digest of the plaintext that nobody else computes."""
    return [
        tbenc("trustbridge", "**trustbridge** (SHA-256 of plaintext and ciphertext)", [binary], to_pipe=False),
        tbenc("trustbridge-one", "**trustbridge** `--plaintext-sha256=false`", [binary], to_pipe=False,
              seal=["--plaintext-sha256=false"]),
    ]


def seeds(tools):
    """tbenc/v1 as one writes it first, with the SHA-256 of the ciphertext."""
    python = [tools.python, HERE / "peers" / "python" / "tbenc.py"]
    return [tbenc("go", "tbenc/v1 in Go", [tools.tbenc_go], digest_first="--verify"),
            tbenc("python", "tbenc/v1 in Python", python, digest_first="--verify")]


def peers(tools, work):
    """The tools that a provider could pick instead. They compute no digest of the file."""
    made = secrets_folder(work)
    return [
        age("age", "age", ["age"], made),
        age("rage", "rage", [tools.rage], made),
        gpg(made),
        tink(tools),
        rclone(made, work),
        openssl(made),
        Contender("cp", "`cp` / `cat` (floor of the harness)", lambda plain, folder: ["cp", plain, folder / "copy"],
                  lambda folder, out: ["cp", folder / "copy", out] if out else ["cat", folder / "copy"]),
    ]


def age(slug, name, program, made):
    recipient = (made / "age.recipient").read_text().strip()
    return Contender(
        slug, name,
        lambda plain, folder: [*program, "--recipient", recipient, "--output", folder / "sealed", plain],
        lambda folder, out: [*program, "--decrypt", "--identity", made / "age.identity",
                             *(["--output", out] if out else []), folder / "sealed"])


def gpg(made):
    base = ["gpg", "--batch", "--quiet", "--no-tty", "--homedir", made / "gpg", "--pinentry-mode", "loopback",
            "--passphrase-file", made / "password"]
    return Contender(
        "gpg", "gpg (AES256, no compression)",
        lambda plain, folder: [*base, "--symmetric", "--cipher-algo", "AES256", "--compress-algo", "none",
                               "--output", folder / "sealed", plain],
        lambda folder, out: [*base, "--decrypt", *(["--output", out] if out else []), folder / "sealed"])


def tink(tools):
    program = [tools.python, HERE / "peers" / "python" / "tink_stream.py"]
    return Contender(
        "tink", "Tink streaming AES256-GCM-HKDF 1 MB (Python)",
        lambda plain, folder: [*program, "encrypt", "--in", plain, "--out", folder / "sealed",
                               "--key-out", folder / "keyset.json"],
        lambda folder, out: [*program, "decrypt", "--in", folder / "sealed", "--key-file", folder / "keyset.json",
                             "--out", out or "-"])


def rclone(made, work):
    """A crypt remote over the folder; file names stay as they are, the contents do not."""
    password = run_text(["rclone", "obscure", "-"], (made / "password").read_bytes())
    config = made / "rclone.conf"
    private(config, f"[sealed]\ntype = crypt\nremote = {work / 'rclone'}\nfilename_encryption = off\n"
                    f"directory_name_encryption = false\npassword = {password}\n")
    base = ["rclone", "--config", config]
    return Contender(
        "rclone", "rclone crypt",
        lambda plain, folder: [*base, "copyto", plain, "sealed:copy"],
        lambda folder, out: [*base, "copyto", "sealed:copy", out] if out else [*base, "cat", "sealed:copy"])


def openssl(made):
    base = ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-pass", f"file:{made / 'password'}"]
    return Contender(
        "openssl", "`openssl enc` aes-256-ctr (not authenticated)",
        lambda plain, folder: [*base, "-in", plain, "-out", folder / "sealed"],
        lambda folder, out: [*base, "-d", "-in", folder / "sealed", *(["-out", out] if out else [])])


def secrets_folder(work):
    made = work / "secrets"
    made.mkdir(mode=0o700)
    (made / "gpg").mkdir(mode=0o700)
    private(made / "password", secrets.token_hex(16) + "\n")
    subprocess.run(["age-keygen", "-o", made / "age.identity"], check=True, capture_output=True, timeout=60)
    recipient = run_text(["age-keygen", "-y", made / "age.identity"])
    private(made / "age.recipient", recipient + "\n")
    return made


def end(work):
    """gpg leaves an agent behind for each home folder."""
    home = work / "secrets" / "gpg"
    if home.exists():
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, timeout=60, check=False)


def private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def run_text(command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=True)
    return done.stdout.decode().strip()
