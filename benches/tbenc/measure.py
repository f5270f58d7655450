"""One child, measured: wall time, CPU time, peak memory. And how busy the machine is besides."""
import os
import platform
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# The slowest peer needs about 10 s for 1 GiB; an hour is a hang at any sensible size.
DEADLINE = 3600
FIRST_BYTE_DEADLINE = 60
MAGIC = b"TBENC001"


class Failed(Exception):
    """A contender did not do its work."""


@dataclass(frozen=True)
class Sample:
    """What one run took: seconds of wall time, of CPU, of CPU in user mode; peak memory in MiB."""
    wall: float
    cpu: float
    user: float
    rss: float


def run(argv, to_pipe=False, deadline=DEADLINE):
    """Runs a contender. With `to_pipe` its standard output is read by `cat`, as a loader reads a FIFO.

    GNU time stands between: a child's peak memory starts at what its parent had when it forked, and this
    interpreter has ten times what `time` has.
    """
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile("r") as peak:
        command = ["time", "--quiet", "--format", "%M", "--output", peak.name, *map(str, argv)]
        reader = None
        if to_pipe:
            reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        start = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                                 stdout=reader.stdin if reader else subprocess.DEVNULL)
        if reader:
            reader.stdin.close()
        status, usage = reap(child, deadline)
        wall = time.perf_counter() - start
        if reader:
            reader.wait(timeout=60)
        if status:
            errors.seek(0)
            said = errors.read()[-600:].decode(errors="replace").strip()
            raise Failed(f"{argv[0]} {argv[1]}: exit code {status}: {said}")
        rss = int(peak.read().split()[-1]) / 1024
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_utime, rss)


def reap(child, deadline):
    """Waits for the child, with its usage; ends its whole group at the deadline or when we are interrupted."""
    guard = threading.Timer(deadline, os.killpg, (child.pid, signal.SIGKILL))
    guard.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    finally:
        guard.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage


def first_byte(argv, folder):
    """Milliseconds from the start of the program until a tbenc file with a byte after its header is there."""
    start = time.perf_counter()
    child = subprocess.Popen([str(part) for part in argv], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not has_output(folder):
            if time.perf_counter() - start > FIRST_BYTE_DEADLINE or child.poll():
                raise Failed(f"{argv[0]} {argv[1]}: no output appeared")
            time.sleep(0.0002)
        waited = time.perf_counter() - start
        if child.wait(timeout=DEADLINE):
            raise Failed(f"{argv[0]} {argv[1]}: exit code {child.returncode}")
        return waited * 1000
    finally:
        child.kill()
        child.wait()


def has_output(folder):
    for entry in os.scandir(folder):
        try:
            with open(entry.path, "rb") as file:
                data = file.read(33)
        except FileNotFoundError:
            continue  # renamed in between
        if len(data) == 33 and data.startswith(MAGIC):
            return True
    return False


def openssl_sha256():
    """Bytes per second of single-stream SHA-256 on 4 MiB in memory, per second of CPU time."""
    done = subprocess.run(["openssl", "speed", "-mr", "-evp", "sha256", "-bytes", "4194304", "-seconds", "1"],
                          capture_output=True, text=True, timeout=60, check=True)
    return float(re.search(r"^\+F:\d+:sha256:([0-9.]+)", done.stdout, re.MULTILINE).group(1))


class Busy:
    """How much of the machine others used since this was made."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        with open("/proc/stat") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        own = sum(os.times()[:4])
        tick = os.sysconf("SC_CLK_TCK")
        return sum(fields) / tick, (sum(fields) - fields[3] - fields[4]) / tick, own

    def others(self):
        """Share of all cores, 0 to 1, that ran somebody else's work (or was stolen by the host)."""
        total, busy, own = (now - then for now, then in zip(self.now(), self.start))
        return max(0.0, (busy - own) / total) if total else 0.0


def wait_until_idle(limit, seconds):
    """True as soon as others use less than `limit` of the machine for 3 s; False when `seconds` are over."""
    until = time.monotonic() + seconds
    while True:
        busy = Busy()
        time.sleep(3)
        if busy.others() < limit:
            return True
        if time.monotonic() > until:
            return False


def machine():
    """Cores, processor with what speeds ciphers up, and memory, in words."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    cpu = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    flags = set(re.search(r"^flags\s*:\s*(.*)$", cpuinfo, re.MULTILINE)[1].split())
    has = [name for name, flag in (("SHA-NI", "sha_ni"), ("VAES", "vaes"), ("VPCLMULQDQ", "vpclmulqdq"),
                                   ("AVX-512", "avx512f")) if flag in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()} ({', '.join(has)}), {memory:.0f} GiB"


def kernel():
    return "Linux " + platform.release().split("-")[0]


def commit(root):
    """The commit that is checked out, and whether something was changed on top."""
    def git(*command):
        done = subprocess.run(["git", "-C", root, *command], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    changed = " with changes on top" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short=10", "HEAD").strip() + changed


def median(values):
    return statistics.median(values)
