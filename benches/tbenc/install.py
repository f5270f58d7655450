"""Finds the peers, or installs them by package name: Debian's, PyPI's (pinned, in a venv) and one crate.

Everything lies in the user's cache folder and is used again by the next run.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RAGE = "0.12.1"
# Program: Debian package.
DEBIAN = {"age": "age", "age-keygen": "age", "gpg": "gnupg", "gpgconf": "gpgconf", "rclone": "rclone",
          "openssl": "openssl", "time": "time", "cat": "coreutils", "cp": "coreutils"}
# A download or a build that takes longer than this hangs.
DEADLINE = 1800


class Missing(Exception):
    """A peer is not there and could not be installed; the message says what to do."""


@dataclass(frozen=True)
class Tools:
    """Where the peers are."""
    python: Path
    tbenc_go: Path
    rage: Path
    versions: dict


def cache():
    """The folder that `tb-cluster` uses too: TB_CACHE, or trustbridge in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TB_CACHE") or Path(home) / "trustbridge") / "bench"


def install():
    """Everything that a run needs; waits for another run that is installing the same."""
    root = cache()
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        debian(DEBIAN)
        python = venv(root, HERE, "python")
        go = python.parent / "go"
        made = Tools(python, build_go(root, HERE, "tbenc-go", go), rage(root), {})
    made.versions.update(versions(made, go))
    return made


def debian(wanted, find=shutil.which):
    """Installs what is missing of `wanted`, program: package."""
    packages = sorted({package for program, package in wanted.items() if find(program) is None})
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"missing peers; install these packages: {' '.join(packages)}")
    do(["apt-get", "install", "--yes", "--no-install-recommends", *packages],
       env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def venv(root, here, prefix):
    """A venv for exactly the requirements in the folder `here` and this Python; the marker is written last."""
    requirements = here / "requirements.txt"
    name = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = root / f"{prefix}-{name}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    do([sys.executable, "-m", "venv", folder])
    do([python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--requirement", requirements])
    (folder / "ready").touch()
    return python


def build_go(root, here, prefix, go):
    """The Go peer in `here`: standard library only, so nothing is fetched; an unchanged program is not built again."""
    source = here / "peers" / "go"
    files = sorted(source.glob("*.go")) + [source / "go.mod"]
    name = hashlib.sha256(b"".join(file.read_bytes() for file in files) + str(go).encode()).hexdigest()[:12]
    program = root / f"{prefix}-{name}"
    if program.exists():
        return program
    clean = {"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "", "GOCACHE": str(root / "go-cache")}
    staged = program.with_suffix(".partial")
    do([go, "build", "-buildvcs=false", "-o", staged, "."], cwd=source, env=os.environ | clean)
    return staged.rename(program)


def rage(root):
    folder = root / f"rage-{RAGE}"
    program = folder / "bin" / "rage"
    if not program.exists():
        # Our own build's flags are not rage's.
        env = {k: v for k, v in os.environ.items() if k not in ("RUSTFLAGS", "CARGO_TARGET_DIR")}
        do(["cargo", "install", "--quiet", "--locked", "--root", folder, f"rage@{RAGE}"], env=env)
    return program


def versions(tools, go):
    def first(*command):
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return run.stdout.splitlines()[0].strip()

    pins = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split() if "==" in line)
    python = first(tools.python, "--version")
    return {
        "go": first(go, "version").removeprefix("go version ").split()[0],
        "python": f"{python}, cryptography {pins['cryptography']}",
        "age": "age " + first("age", "--version"),
        "rage": first(tools.rage, "--version"),
        "gpg": first("gpg", "--version"),
        "tink": f"Tink {pins['tink']}, {python}",
        "rclone": first("rclone", "version"),
        "openssl": " ".join(first("openssl", "version").split()[:2]),
        "cp": first("cp", "--version"),
    }


def do(command, **kwargs):
    """Runs one step of the installation; its output is shown only when it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              timeout=DEADLINE, **kwargs)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise Missing(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{tail}")
