"""The tables, from the figures of both parts."""
from statistics import median

import goals

NAMES = {"sentinel": "**sentinel**", "go": "straightforward Go", "python": "straightforward Python",
         "curl": "curl", "azcopy": "azcopy"}
STEPS = {"sentinel": "**sentinel**, from exec to the last byte", "go": "Go: 4 connections; SHA-256; open",
         "curl": "curl; sha256sum; Python", "azcopy": "azcopy; sha256sum; Go"}


def table(head, rows):
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def span(values, digits=2):
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


class Weights:
    """Samples of the weights: [wall, cpu, user, rss] by job/contender, in the order of the rounds."""

    def __init__(self, kept):
        self.samples, self.size, self.sha256 = kept["samples"], kept["size"], kept["sha256"]

    def names(self, job):
        return [key.partition("/")[2] for key in self.samples if key.startswith(job + "/")]

    def rates(self, job, name):
        return [self.size / sample[0] / 1e9 for sample in self.samples[f"{job}/{name}"]]

    def ratio(self, job, mine, name):
        """Median of the ratios within a round."""
        pairs = zip(self.rates(mine, "sentinel"), self.rates(job, name))
        return median(own / other for own, other in pairs)

    def cpu(self, job, name):
        return median(sample[1] for sample in self.samples[f"{job}/{name}"]) / self.size * 1e9

    def rss(self, job, name):
        return max(sample[3] for sample in self.samples[f"{job}/{name}"])

    def void(self, name):
        return goals.void(name, median(self.rates("open", name)) * 1e9, median(self.sha256))

    def rows(self, job, mine, words, wanted):
        made = []
        for name in self.names(job):
            ratio = self.ratio(job, mine, name)
            goal = wanted.get(name)
            result = "-" if goal is None else goals.verdict(ratio >= goal)
            if job == "open" and self.void(name):
                result = "void"
            made.append([words.get(name, name), span(self.rates(job, name)), f"{self.cpu(job, name):.2f}",
                         f"{self.rss(job, name):.0f}", "-" if (job, name) == (mine, "sentinel") else f"{ratio:.2f}",
                         goal or "-", result])
        return made


HEAD = ["", "GB/s", "CPU s/GB", "peak MiB", "sentinel faster by", "goal", "result"]


def weights(kept):
    made = Weights(kept)
    sha = median(made.sha256) / 1e9
    own = median(made.rates("hydrate", "sentinel"))
    best = max((name for name in made.names("download") if name in goals.DOWNLOADERS),
               key=lambda name: median(made.rates("download", name)))
    ratio = made.ratio("download", "verified", best)
    figures = [
        ["CPU of the sentinel, opening to a FIFO", f"{made.cpu('open', 'sentinel'):.2f} s/GB", f"<= {goals.OPEN_CPU:.2f}",
         goals.verdict(made.cpu("open", "sentinel") <= goals.OPEN_CPU)],
        ["exec to last byte of plaintext, beside one stream of SHA-256", f"{own / sha:.2f}x", f">= {goals.HYDRATE_OF_SHA256}",
         goals.verdict(own / sha >= goals.HYDRATE_OF_SHA256)],
        ["peak memory of that", f"{made.rss('hydrate', 'sentinel'):.1f} MiB", f"<= {goals.HYDRATE_MIB}",
         goals.verdict(made.rss("hydrate", "sentinel") <= goals.HYDRATE_MIB)],
        [f"exec to verified ciphertext, beside the download alone by {best}, the fastest", f"{ratio:.2f}x",
         f">= {goals.DOWNLOAD}", goals.verdict(ratio >= goals.DOWNLOAD)],
    ]
    return "\n".join([
        "## From ciphertext to a FIFO\n", table(HEAD, made.rows("open", "open", NAMES, goals.OPEN)),
        "The sentinel has the ciphertext verified and serves the FIFO anew each time; its rate is from the reader's first byte to\n"
        "its last. It wipes every buffer after it is written. The peers write to a pipe that `cat` reads.\n",
        "## From the store to a FIFO, verified\n", table(HEAD, made.rows("hydrate", "hydrate", STEPS, goals.HYDRATE)),
        "## Download\n",
        table(HEAD, made.rows("verified", "verified", {"sentinel": "**sentinel**: authorised, downloaded, SHA-256 verified, nobody reading"}, {})
              + made.rows("download", "verified", NAMES, {})),
        "The peers only download. s5cmd and azcopy ask a store in Go that speaks S3 and Azure Blob, the others nginx; TLS for all.\n",
        table(["figure", "here", "goal", "result"], figures),
        f"One stream of SHA-256 by `openssl speed`: {span([rate / 1e9 for rate in made.sha256])} GB/s. A FIFO row is void where the\n"
        "peer is more than 15 % below its own ratio to that on a calm machine.\n", absent(kept)])


def absent(kept):
    return "".join(f"Not to be had here: {name} ({why}).\n" for name, why in kept["broken"].items())


def proxies(kept):
    rounds = kept["rounds"]

    def values(name, field):
        return [one[field] for one in rounds[name]]

    def per_core(name):
        return [1e6 / value for value in values(name, "cpu")]

    def ratio(name):
        return median(own / other for own, other in zip(per_core("sentinel"), per_core(name)))

    def us(name, field):
        return "-" if name not in rounds else span(values(name, field), 0)

    rows = [[NAMES.get(name, name), us(name, "rps"), span(per_core(name), 0) if name != "direct" else "-",
             f"{median(values(name, 'cpu')):.1f}" if name != "direct" else "-", us(name, "p99"), us(name, "one99"),
             us(name, "first50"), us(name, "lag99"), f"{max(values(name, 'rss')):.1f}" if name != "direct" else "-"]
            for name in rounds]
    added = median(own - bare for own, bare in zip(values("sentinel", "one99"), values("direct", "one99")))
    first, late = median(values("sentinel", "first50")), median(values("sentinel", "lag99"))
    peak = max(values("sentinel", "rss"))
    figures = [["requests/s per core, beside nginx", f"{ratio('nginx'):.2f}x", f">= {goals.RPS_OF_NGINX}",
                goals.verdict(ratio("nginx") >= goals.RPS_OF_NGINX)]]
    if "envoy" in rounds:
        figures.append(["requests/s per core, beside Envoy", f"{ratio('envoy'):.2f}x", f">= {goals.RPS_OF_ENVOY}",
                        goals.verdict(ratio("envoy") >= goals.RPS_OF_ENVOY)])
    lost = sum(one[3] for one in kept["drain"])
    figures += [
        ["one client: p99 added", f"{added:.0f} us", f"<= {goals.ADDED_P99_US}", goals.verdict(added <= goals.ADDED_P99_US)],
        ["first event after the request, median", f"{first:.0f} us", f"<= {goals.FIRST_EVENT_US}",
         goals.verdict(first <= goals.FIRST_EVENT_US)],
        ["each event, from the runtime to the client, p99", f"{late:.0f} us", f"<= {goals.EVENT_US}",
         goals.verdict(late <= goals.EVENT_US)],
        ["peak memory", f"{peak:.1f} MiB", f"<= {goals.PROXY_MIB}", goals.verdict(peak <= goals.PROXY_MIB)],
        [f"SIGTERM under load, {len(kept['drain'])} times: requests lost of {sum(one[0] for one in kept['drain'])} answered",
         lost, "0", goals.verdict(lost == 0 and all(one[4] == 0 for one in kept["drain"]))]]
    return "\n".join([
        "## The public port\n",
        table(["", "requests/s, 32 clients", "per core", "CPU us each", "p99 us", "one client p99 us", "first event us",
               "event p99 us", "peak MiB"], rows),
        "256 bytes asked, about 500 answered, keep-alive; the proxy on one core, load and runtime on the other. \"Per core\" is\n"
        "answers for each second of the proxy's CPU. The sentinel checks the bearer token, hashes both bodies, meters, and writes a\n"
        "chained audit record for each request, to its file and to standard output; the others write no log. Its memory is that of\n"
        "the whole process, with what it needed to hydrate before.\n", table(["figure", "here", "goal", "result"], figures),
        absent(kept)])


def footprint(kept):
    rows = []
    for name, limit in (("sentinel", goals.SENTINEL_MB), ("webhook", goals.WEBHOOK_MB)):
        if name in kept["programs"]:
            one = kept["programs"][name]
            met = one["mb"] <= limit and one["static"] and one["stripped"]
            how = ("static" if one["static"] else "dynamic") + (", stripped" if one["stripped"] else ", with symbols")
            rows.append([f"size of the {name}", f"{one['mb']:.1f} MB, {how}", f"<= {limit} MB", goals.verdict(met)])
    start, idle = kept["start"], kept["idle"]
    rows += [["exec to first health answer, median", f"{span(start, 1)} ms", f"<= {goals.FIRST_ANSWER_MS}",
              goals.verdict(median(start) <= goals.FIRST_ANSWER_MS)],
             ["memory of a sentinel that is Ready and idle", f"{idle:.1f} MiB", f"<= {goals.IDLE_MIB}",
              goals.verdict(idle <= goals.IDLE_MIB)]]
    return "## Footprint\n\n" + table(["figure", "here", "goal", "result"], rows)


def document(parts, facts):
    """`parts`: what `run.py` kept, by name."""
    text = ["# The sentinel beside its peers\n", "Written by `make bench-sentinel`. What was tried, and what stands in the way: [sentinel-designs.md](sentinel-designs.md).\n", table(["", ""], facts),
            "Every contender ran once in each round, another one first in each; medians [min..max]. GB is 1e9 bytes; CPU is that of\n"
            "the program alone; everything lies in memory (tmpfs). \"Faster by\" is the median of the ratios within a round.\n"]
    makers = {"weights": weights, "proxy": proxies, "footprint": footprint}
    text += [makers[name](parts[name]) for name in makers if name in parts]
    return "\n".join(text)
