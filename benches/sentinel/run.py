#!/usr/bin/env python3
"""Measures the sentinel beside the tools that one could put in its place, in interleaved rounds.

Three parts, together or apart: `weights` (download, verify, open to a FIFO), `proxy` (the public port), `footprint`.
What a part measured is kept below target/, and the document is written when all three are of the same programs.
"""
import argparse
import datetime
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import tools as found

import footprint
import install
import measure
import proxies
import report
import weights
import world

ROOT = found.HERE.parent.parent
RELEASE = ROOT / "target" / "x86_64-unknown-linux-gnu" / "release"
KEPT = ROOT / "target" / "bench-sentinel"
PARTS = ("weights", "proxy", "footprint")
QUIET = 0.10
DOCUMENT_BYTES, DOCUMENT_ROUNDS = 1 << 30, 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each part [5]")
    parser.add_argument("--size-mib", type=int, default=1024, help="plaintext of the weights [1024]")
    parser.add_argument("--seconds", type=int, default=3, help="of each load [3]")
    parser.add_argument("--sentinel", type=Path, default=RELEASE / "trustbridge-sentinel")
    parser.add_argument("--webhook", type=Path, default=RELEASE / "trustbridge-webhook")
    parser.add_argument("--smoke", action="store_true", help="correctness alone, on 16 MiB; no figure is kept")
    parser.add_argument("--busy-ok", action="store_true", help="measure on a busy machine; keeps no figure")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "sentinel.md")
    return parser.parse_args()


def run_weights(tools, args, work):
    part = weights.Weights(tools, args.sentinel, work, args.size_mib << 20)
    try:
        part.prove()
        if not args.smoke:
            until_quiet(args)
            part.play(args.rounds, lambda made: keep("weights", made, args))
    finally:
        part.end()
    return part.figures()


def run_proxy(tools, args, work):
    part = proxies.Proxies(tools, args.sentinel, work)
    try:
        part.prove()
        if not args.smoke:
            until_quiet(args)
            part.play(args.rounds, args.seconds)
        part.drains(1 if args.smoke else 5)
    finally:
        part.end()
    return {"rounds": part.rounds, "drain": part.drain, "broken": part.broken}


def run_footprint(tools, args, work):
    runtime = world.pinned([tools.lab, "runtime", f"127.0.0.1:{world.RUNTIME}"])
    try:
        world.wait_for_port(world.RUNTIME, runtime)
        programs = {name: footprint.program(path) for name, path in (("sentinel", args.sentinel), ("webhook", args.webhook))
                    if path.exists()}
        return {"programs": programs, "idle": footprint.idle(args.sentinel, tools, work),
                "start": [footprint.first_answer(args.sentinel, work, n) for n in range(2 if args.smoke else 20)]}
    finally:
        world.end(runtime)


def until_quiet(args):
    print("every contender works; waiting for a quiet machine", file=sys.stderr, flush=True)
    if not args.busy_ok and not measure.wait_until_idle(QUIET, 300):
        sys.exit("run.py: NOT MEASURED: the machine was busy for 300 s; end what runs besides")


def play(part, tools, args):
    """One part in a world of its own, in memory."""
    work = Path(tempfile.mkdtemp(prefix="sentinel-bench-", dir="/dev/shm"))
    # The workers of nginx belong to another user when we are root.
    work.chmod(0o711)
    open_things = []
    size = args.size_mib << 20 if part == "weights" and not args.smoke else 16 << 20
    try:
        world.certificates(work)
        key = world.seal(tools, work, size)
        open_things.append(world.store(work))
        open_things.append(world.pinned([tools.lab, "store", f"127.0.0.1:{world.CLOUD}", work / "blobs", work / "leaf.crt",
                                         work / "leaf.key"]))
        control = world.Control(work, key)
        for port in (world.STORE, world.CLOUD):
            world.wait_for_port(port)
        sized = argparse.Namespace(**vars(args) | {"size_mib": size >> 20})
        made = {"weights": run_weights, "proxy": run_proxy, "footprint": run_footprint}[part](tools, sized, work)
        control.end()
        return made
    finally:
        for process in open_things:
            world.end(process)
        shutil.rmtree(work, ignore_errors=True)


def facts(tools):
    return [["Date", datetime.date.today().isoformat()], ["Commit", measure.commit(ROOT)], ["Machine", measure.machine()],
            ["Kernel", measure.kernel()], ["Peers", "; ".join(found.versions(tools))]]


def keep(part, made, args):
    """Adds what was measured to what is kept of the same programs. Nothing is kept of a busy machine."""
    if args.busy_ok or part == "weights" and args.size_mib << 20 < DOCUMENT_BYTES:
        print(f"{part}: not kept: the machine was busy, or less than 1 GiB was moved", file=sys.stderr)
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    staged = KEPT / f"{part}.partial"
    staged.write_text(json.dumps(added(args.before.get(part), made) | {"program": args.program}))
    staged.replace(KEPT / f"{part}.json")


def added(before, made):
    """The rounds of two runs as those of one."""
    if before is None:
        return made
    lists = {name: {key: before[name].get(key, []) + values for key, values in made[name].items()}
             for name in ("samples", "rounds") if name in made}
    more = {name: before[name] + made[name] for name in ("sha256", "drain") if name in made}
    return made | lists | more


def kept_of(program):
    """What is kept of this program, by part."""
    found_parts = {part: json.loads((KEPT / f"{part}.json").read_text()) for part in PARTS if (KEPT / f"{part}.json").exists()}
    return {part: made for part, made in found_parts.items() if made["program"] == program}


def missing(parts):
    """What keeps these figures from being the document."""
    why = [f"{part} was not measured with this program" for part in PARTS if part not in parts]
    for part, name in (("weights", "samples"), ("proxy", "rounds")):
        if part in parts and min(map(len, parts[part][name].values())) < DOCUMENT_ROUNDS:
            why.append(f"{part} has fewer than {DOCUMENT_ROUNDS} rounds; another run adds some")
    return why


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not os.access(args.sentinel, os.X_OK):
        sys.exit(f"run.py: {args.sentinel}: no program there; run `make bins`, or give --sentinel")
    args.sentinel = args.sentinel.resolve()
    tools = found.get()
    args.program = hashlib.sha256(args.sentinel.read_bytes()).hexdigest()
    args.before = kept_of(args.program)
    parts = {}
    for part in args.part or PARTS:
        parts[part] = made = play(part, tools, args)
        if "drain" in made:
            print("drain: answered, refused, at a closed port, lost, exit code:", made["drain"])
        if args.smoke:
            print(f"{part}: works" + "".join(f"; without {name}: {why}" for name, why in made.get("broken", {}).items()))
        else:
            keep(part, made, args)
    if args.smoke:
        return
    parts |= {} if args.busy_ok else kept_of(args.program)
    text = report.document(parts, facts(tools))
    print(text)
    why = missing(parts) + (["the machine was busy"] if args.busy_ok else [])
    if why:
        print("not written: " + "; ".join(why), file=sys.stderr)
    else:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (install.Missing, measure.Failed, world.Failed) as error:
        sys.exit(f"run.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
