#!/usr/bin/env python3
"""Measures `trustbridge encrypt`, `decrypt` and `verify` beside the tools that a provider could pick instead.

First every contender proves that it works; then all of them run in interleaved rounds. Needs Python 3.11.
"""
import argparse
import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import contenders
import install
import interop
import measure
import primitives
import report
import rounds

ROOT = install.HERE.parent.parent
BINARY = ROOT / "target" / "x86_64-unknown-linux-gnu" / "release" / "trustbridge"
MEMORY = Path("/dev/shm")
# Where the machine counts as quiet: others use less than this share of all cores.
QUIET = 0.10
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# The document is written by runs of this size only.
DOCUMENT_BYTES, DOCUMENT_ROUNDS = 1 << 30, 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=5, help="rounds of each part [5]")
    parser.add_argument("--size", type=size, default=1 << 30, metavar="N[K|M|G]", help="plaintext bytes [1G]")
    parser.add_argument("--binary", type=Path, default=BINARY, help="the trustbridge to measure [the release build]")
    parser.add_argument("--peers-only", action="store_true", help="without trustbridge")
    parser.add_argument("--smoke", action="store_true", help="correctness alone, on 8 MiB; nothing is timed")
    parser.add_argument("--no-primitives", action="store_true", help="leave the library's criterion bench out")
    parser.add_argument("--busy-ok", action="store_true", help="measure on a busy machine; writes no document")
    parser.add_argument("--wait", type=positive, default=300, help="seconds to wait for a quiet machine [300]")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "tbenc.md", help="the document")
    return parser.parse_args()


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return value


def size(text):
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not found or int(found[1]) == 0 or int(found[1]) * UNITS[found[2]] < 2 << 20:
        raise argparse.ArgumentTypeError(f"{text}: must be a number of bytes such as 64M or 1G, at least 2M")
    return int(found[1]) * UNITS[found[2]]


def check_memory(wanted, count):
    """What each contender sealed stays for the decryption; plain file, model and output are three more."""
    need = wanted * (count + 4) + (1 << 30)
    available = int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) * 1024
    free = min(available, shutil.disk_usage(MEMORY).free)
    if free < need:
        sys.exit(f"run.py: {need >> 20} MiB of memory are needed for --size {wanted}, {free >> 20} MiB are free; "
                 "give a smaller --size")


def random_file(path, count):
    with open(path, "wb") as file:
        for at in range(0, count, 1 << 20):
            file.write(os.urandom(min(1 << 20, count - at)))
    return path


def sample_model(binary, path, count):
    interop.must([binary, "sample-model", "--out", path, "--size-mib", str(count >> 20)], "trustbridge sample-model")
    return path


def facts(tools, args):
    made = [("Date", datetime.date.today().isoformat()), ("Commit", measure.commit(ROOT)), ("Machine", measure.machine()),
            ("Kernel", measure.kernel())]
    if not args.peers_only:
        version = subprocess.run([args.binary, "--version"], capture_output=True, text=True, timeout=60, check=True)
        made.append(("trustbridge", version.stdout.strip()))
    return made + [("Peers", "; ".join(tools.versions.values()))]


def correctness(everyone, tbenc, work, binary):
    plain = random_file(work / "small", 8 << 20)
    opened = interop.round_trips(everyone, plain, work)
    crossed, refused = interop.cross(tbenc, work)
    print(f"round trips: {opened} files opened by the {len(everyone)} contenders that sealed them")
    print(f"interop: {crossed} of {crossed} files opened by {len(tbenc)} tbenc readers; {refused} damaged ones refused")
    plain.unlink()
    if binary:
        model = sample_model(binary, work / "small-model", 8 << 20)
        print(f"directory: {interop.directory(binary, model, work)} files came back as they were")
        shutil.rmtree(model)


def measured(everyone, work, args, binary, bench):
    """Results of all rounds; the machine is quiet before the first, or `--busy-ok` was given."""
    plain = random_file(work / "plain", args.size)
    model = sample_model(binary, work / "model", args.size) if binary else None
    if not measure.wait_until_idle(QUIET, args.wait if not args.busy_ok else 0) and not args.busy_ok:
        sys.exit(f"run.py: NOT MEASURED: others used more than {QUIET:.0%} of the machine for {args.wait} s. "
                 "End what runs besides, or give --busy-ok for figures that show nothing")
    results, busy = rounds.Results(args.size), measure.Busy()
    results.primitives = primitives.rates(bench) if bench else None
    rounds.encrypt(results, everyone, plain, work, args.rounds, (binary, model) if binary else None)
    if model:
        shutil.rmtree(model)
    rounds.decrypt(results, everyone, work, args.rounds)
    results.others = busy.others()
    return results


def publish(text, results, args):
    print(text)
    why = [reason for reason, holds in (
        ("others used more than a tenth of the machine", results.others > QUIET),
        (f"fewer than {DOCUMENT_ROUNDS} rounds", args.rounds < DOCUMENT_ROUNDS),
        ("the file is smaller than 1 GiB", args.size < DOCUMENT_BYTES),
        ("trustbridge did not take part", args.peers_only),
        ("the library's own rates were left out", args.no_primitives)) if holds]
    if why:
        print(f"not written to {args.out.name}: {'; '.join(why)}", file=sys.stderr)
        return
    staged = args.out.with_suffix(".partial")
    staged.write_text(text, encoding="utf-8")
    staged.replace(args.out)


def main():
    args = arguments()
    # Ends like an interruption: the finally below removes what lies in memory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binary = None if args.peers_only else args.binary.resolve()
    if binary and not os.access(binary, os.X_OK):
        sys.exit(f"run.py: {args.binary}: no program there; run `make bins`, or give --binary or --peers-only")
    tools = install.install()
    work = Path(tempfile.mkdtemp(prefix="tbenc-bench-", dir=MEMORY))
    try:
        tbenc = (contenders.ours(binary) if binary else []) + contenders.seeds(tools)
        everyone = tbenc + contenders.peers(tools, work)
        check_memory(8 << 20 if args.smoke else args.size, len(everyone))
        correctness(everyone, tbenc, work, binary)
        if args.smoke:
            return
        # Built before the machine has to be quiet.
        bench = primitives.build(ROOT) if binary and not args.no_primitives else None
        results = measured(everyone, work, args, binary, bench)
        publish(report.document(results, everyone, facts(tools, args), args.rounds), results, args)
    finally:
        contenders.end(work)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (install.Missing, interop.Disagreement, measure.Failed) as error:
        sys.exit(f"run.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
