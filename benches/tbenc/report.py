"""The tables, the same on the terminal and in docs/benchmarks/tbenc.md."""
import goals
from measure import median

OURS = ("trustbridge", "trustbridge-one")


def span(values, scale=1e9):
    low, high = min(values) / scale, max(values) / scale
    return f"{median(values) / scale:.2f} [{low:.2f}..{high:.2f}]"


def table(head, rows):
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def common(results, job, one):
    """The columns that every table of tools begins with."""
    rates = results.rates(job, one.slug)
    rss = f"{results.peak(job, one.slug):.0f}"
    return [one.name, span(rates), f"{results.per_gb(job, one.slug, 'cpu'):.2f}", rss,
            f"{median(rates) / median(results.sha256):.2f}"]


def own_ratio(results, job, slug, calm):
    """(own ratio on a calm machine, whether this row counts)."""
    found = goals.footing(calm, slug, results.rate(job, slug), median(results.sha256))
    if found is None:
        return "-", True
    return f"{found.own:.2f}" + (" **void**" if found.void else ""), not found.void


def faster(results, job, slug, beside=None):
    """How many times faster both of ours do `job` than `slug` does it, or `beside`; empty without ours."""
    return [results.ratio((job, mine), (beside or job, slug)) for mine in OURS if results.has(job, mine)]


def encryption(results, contenders):
    rows = []
    for one in contenders:
        own, counts = own_ratio(results, "encrypt", one.slug, goals.CALM_ENCRYPT)
        ratios = [] if one.slug in OURS else faster(results, "encrypt", one.slug)
        goal = goals.FASTER.get(one.slug)
        result = "-"
        if goal and ratios:
            result = " / ".join(goals.verdict(ratio >= goal) for ratio in ratios) if counts else "void"
        rows.append([*common(results, "encrypt", one), own, times(ratios), f"{goal:.1f}" if goal else "-", result])
    head = ["encrypt", "GB/s", "CPU s/GB", "peak MiB", "of SHA-256", "its own", "`trustbridge` faster by",
            "goal", "result"]
    return table(head, rows)


def times(ratios):
    return " / ".join(f"{ratio:.2f}" for ratio in ratios) or "-"


# Jobs of the decryption, and which of ours each peer's stands beside.
DECRYPT = {"to file": "to file", "digest, then to file": "to file", "to pipe": None, "verify": "verify",
           "verify with key": None}


def decryption(results, contenders):
    rows = []
    for job, mine in DECRYPT.items():
        for one in contenders:
            if not results.has(job, one.slug):
                continue
            calm = goals.CALM_TO_PIPE if job == "to pipe" else {}
            own, _ = own_ratio(results, job, one.slug, calm)
            ratios = faster(results, mine, one.slug, job) if mine and one.slug not in OURS else []
            name, *rest = common(results, job, one)
            rows.append([f"{job}: {name}", *rest, own, times(ratios)])
    return table(["decrypt", "GB/s", "CPU s/GB", "peak MiB", "of SHA-256", "its own", "`trustbridge` faster by"], rows)


def figures(results):
    """The goals that are not a comparison with a peer."""
    sha, primitives = median(results.sha256), results.primitives
    rows = []

    def add(what, value, text, goal, met):
        rows.append([what, text.format(value), goal, goals.verdict(met)])

    for slug, how in zip(OURS, ("both digests", "one digest")):
        ratio = results.rate("encrypt", slug) / sha
        add(f"encrypt, {how}, beside bare SHA-256 of `openssl speed`", ratio, "{:.2f}x",
            f"≥ {goals.OF_SHA256}x", ratio >= goals.OF_SHA256)
    ratio = results.ratio(("directory", "trustbridge"), ("encrypt", "trustbridge"))
    add(f"a directory of two shards ({span(results.rates('directory', 'trustbridge'))} GB/s, "
        f"{results.per_gb('directory', 'trustbridge', 'cpu'):.2f} CPU s/GB) beside one file", ratio, "{:.2f}x",
        f"≥ {goals.DIRECTORY}x", ratio >= goals.DIRECTORY)
    for job, what, limit in (("encrypt", "one file", goals.MEMORY_FILE_MIB),
                             ("directory", "a directory", goals.MEMORY_DIRECTORY_MIB)):
        peak = results.peak(job, "trustbridge")
        add(f"peak memory, encrypt {what}", peak, "{:.1f} MiB", f"≤ {limit} MiB", peak <= limit)
    wait, limit = median(results.first_byte), goals.FIRST_BYTE_MS
    add("start to first byte of output", wait, "{:.1f} ms", f"≤ {limit} ms", wait <= limit)
    # Without a key `verify` reads and hashes, nothing else; reading is the kernel's time.
    ratio = 1e9 / results.per_gb("verify", "trustbridge", "user") / sha
    add("SHA-256 in the shipped program (user time of `verify` without a key) beside `openssl speed`", ratio,
        "{:.2f}x", f"≥ {goals.BINARY_SHA256}x", ratio >= goals.BINARY_SHA256)
    if primitives:
        add("SHA-256 of the library with the release flags beside `openssl speed`", primitives["sha256"] / sha,
            "{:.2f}x", f"≥ {goals.BINARY_SHA256}x", primitives["sha256"] / sha >= goals.BINARY_SHA256)
        ratio = primitives["open"] / primitives["sha256"]
        add(f"AES-256-GCM open of the library ({primitives['open'] / 1e9:.1f} GB/s) beside its SHA-256", ratio,
            "{:.1f}x", f"≥ {goals.OPEN_OF_SHA256:.0f}x", ratio >= goals.OPEN_OF_SHA256)
    return table(["figure", "here", "goal", "result"], rows)


def voids(results, contenders):
    """Rows of this run that do not count."""
    found = []
    for job, calm in (("encrypt", goals.CALM_ENCRYPT), ("to pipe", goals.CALM_TO_PIPE)):
        found += [f"{job}: {one.name}" for one in contenders
                  if results.has(job, one.slug) and not own_ratio(results, job, one.slug, calm)[1]]
    return found


READING = """Every contender ran once in each round, in turn, another one first in each; tmpfs to tmpfs, each time onto
fresh pages, after a round trip and a cross-check of every tbenc reader and writer. GB is 1e9 bytes; rates are of wall time,
medians [min..max]; CPU is that of the program alone; memory is the largest peak of all rounds. "of SHA-256" is the
rate over one stream of SHA-256 by `openssl speed` in the same run. "its own" is what that ratio was on a calm
machine: a row that falls more than 15 % below is void, because beating a hindered peer shows nothing. "faster by" is
the median of the ratios within a round: first with the default (SHA-256 of plaintext and ciphertext), then with that
of the ciphertext alone, which is what the Go and Python programs compute. The other peers compute none. `trustbridge`
also checks every digest that the manifest states when it decrypts, and flushes its output to the device before it
names it; in memory that costs nothing, on a disk it waits where the others do not.
"""


def document(results, contenders, facts, count):
    """`facts`: (name, value) of machine and versions."""
    sha = f"SHA-256, one stream, `openssl speed` on 4 MiB: {span(results.sha256)} GB/s. "
    others = f"Others used {results.others:.0%} of the machine meanwhile.\n"
    parts = [
        "# tbenc/v1 beside its peers\n",
        f"Written by `make bench-tbenc`: a file of {results.size / 2**20:.0f} MiB of random bytes, {count} rounds.\n",
        table(["", ""], [list(fact) for fact in facts]),
        READING,
        sha + others,
        "## Encrypt\n", encryption(results, contenders),
        "## Decrypt\n", decryption(results, contenders),
    ]
    if results.has("encrypt", OURS[0]):
        parts += ["## Other goals\n", figures(results)]
    void = voids(results, contenders)
    parts.append(("Void in this run: " + "; ".join(void) + ".\n") if void else "No row of this run is void.\n")
    parts.append("""To repeat: `make bench-tbenc` on a quiet machine with two cores. Peers come by package name into the user's
cache (`benches/tbenc/install.py`); `benches/tbenc/run.py --help` names the other sizes. `make bench-tbenc-smoke`
checks correctness alone, on a small file.
""")
    return "\n".join(parts)
