"""SHA-256 and AES-256-GCM open of the library that the shipped program links, built with the same flags.

Read from what the bench `ciphers` prints: both on 4 MiB in memory, in one process, in turn.
"""
import json
import os
import re
import subprocess
import tempfile

import measure

TARGET = "x86_64-unknown-linux-gnu"
# As in the Makefile: static, so that nothing is compiled twice.
FLAGS = "-C target-feature=+crt-static"
# A contender's line in its last table: name, rate, ratio.
LINE = re.compile(r"^  (\S.*?) +(\d+) MB/s +ratio [0-9.]+$", re.MULTILINE)
NAMES = {"sha256": "SHA-256 aws-lc-rs", "open": "AES-256-GCM open aws-lc-rs"}
DEADLINE = 1800


def build(root):
    """The bench program's path."""
    command = ["cargo", "bench", "--no-run", "--quiet", "--message-format", "json", "--target", TARGET,
               "--package", "trustbridge-tbenc", "--bench", "ciphers"]
    done = subprocess.run(command, cwd=root, env=os.environ | {"RUSTFLAGS": FLAGS}, capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    programs = [message["executable"] for message in map(json.loads, done.stdout.splitlines())
                if message.get("executable") and message["target"]["name"] == "ciphers"]
    if done.returncode or not programs:
        raise measure.Failed(f"cargo bench: exit code {done.returncode}: {done.stderr[-600:]}")
    return programs[0]


def rates(program):
    """Bytes per second of `sha256` and `open`, from the contest in which all of them run in turn."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run([program, "--bench"], cwd=home, capture_output=True, text=True,
                              env=os.environ | {"CRITERION_HOME": home}, timeout=DEADLINE, check=False)
    if done.returncode:
        raise measure.Failed(f"the bench ciphers: exit code {done.returncode}: {done.stderr[-600:]}")
    found = {name: float(rate) * 1e6 for name, rate in LINE.findall(done.stdout)}
    missing = [name for name in NAMES.values() if name not in found]
    if missing:
        raise measure.Failed(f"the bench ciphers printed no rate of {missing}, only of {sorted(found)}")
    return {name: found[line] for name, line in NAMES.items()}
