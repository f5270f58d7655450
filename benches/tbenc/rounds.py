"""The rounds: every contender once in each, in turn, so that the machine's mood hits all alike."""
import shutil
import sys
from collections import defaultdict

import interop
import measure


class Results:
    """Samples by (job, contender), and per round the reference."""

    def __init__(self, size):
        self.size = size
        # Plaintext bytes of the jobs that do not work on `size` bytes.
        self.bytes = {}
        self.samples = defaultdict(list)
        self.sha256 = []
        self.first_byte = []
        # Bytes per second of the library alone, by name; None where that was not measured.
        self.primitives = None
        self.others = 0.0

    def add(self, job, slug, sample):
        self.samples[job, slug].append(sample)

    def rates(self, job, slug):
        """Bytes per second of wall time, in the order of the rounds."""
        count = self.bytes.get(job, self.size)
        return [count / sample.wall for sample in self.samples.get((job, slug), [])]

    def rate(self, job, slug):
        return measure.median(self.rates(job, slug))

    def per_gb(self, job, slug, field):
        """Median seconds per GB of `cpu` or `user` time."""
        count = self.bytes.get(job, self.size)
        return measure.median(getattr(sample, field) for sample in self.samples[job, slug]) / count * 1e9

    def peak(self, job, slug):
        """The largest peak memory of all rounds, in MiB."""
        return max(sample.rss for sample in self.samples[job, slug])

    def ratio(self, over, under):
        """Median of the ratios of two (job, contender) in the same round."""
        return measure.median(a / b for a, b in zip(self.rates(*over), self.rates(*under)))

    def has(self, job, slug):
        return (job, slug) in self.samples


def turned(tasks, turn):
    """Another one begins in each round."""
    at = turn % len(tasks)
    return tasks[at:] + tasks[:at]


def play(results, tasks, count, title):
    """`tasks`: functions that run one contender once."""
    for turn in range(count):
        print(f"{title}, round {turn + 1} of {count}", file=sys.stderr, flush=True)
        results.sha256.append(measure.openssl_sha256())
        for task in turned(tasks, turn):
            task()


def encrypt(results, contenders, plain, work, count, directory=None):
    """Leaves what the last round sealed in each contender's folder. `directory`: (binary, model)."""
    def one(contender):
        folder = interop.fresh(work / contender.slug)
        results.add("encrypt", contender.slug, measure.run(contender.encrypt(plain, folder)))

    def whole_directory():
        binary, model = directory
        out, key = work / "directory", work / "directory.key"
        shutil.rmtree(out, ignore_errors=True)
        key.unlink(missing_ok=True)
        command = interop.encrypt_directory(binary, model, out, key)
        results.add("directory", "trustbridge", measure.run(command))

    def first_byte():
        folder = interop.fresh(work / "first-byte")
        results.first_byte.append(measure.first_byte(contenders[0].encrypt(plain, folder), folder))
        shutil.rmtree(folder)

    tasks = [lambda c=contender: one(c) for contender in contenders]
    if directory:
        results.bytes["directory"] = sum(path.stat().st_size for path in directory[1].rglob("*"))
        tasks += [whole_directory, first_byte]
    play(results, tasks, count, "encrypt")
    shutil.rmtree(work / "directory", ignore_errors=True)


def decrypt(results, contenders, work, count):
    """To a file, to a pipe, and without any output: `verify`."""
    def to_file(contender, job, *more):
        out = work / "out"
        results.add(job, contender.slug, measure.run([*contender.decrypt(work / contender.slug, out), *more]))
        out.unlink()

    def to_pipe(contender):
        command = contender.decrypt(work / contender.slug, None)
        results.add("to pipe", contender.slug, measure.run(command, to_pipe=True))

    def verify(contender, job, *key):
        results.add(job, contender.slug, measure.run([*contender.verify(work / contender.slug), *key]))

    tasks = [lambda c=one: to_file(c, "to file") for one in contenders if one.to_file]
    tasks += [lambda c=one: to_file(c, "digest, then to file", c.digest_first)
              for one in contenders if one.digest_first]
    tasks += [lambda c=one: to_pipe(c) for one in contenders if one.to_pipe]
    tasks += [lambda c=one: verify(c, "verify") for one in contenders if one.verify]
    tasks += [lambda c=one: verify(c, "verify with key", "--key-file", work / c.slug / "key")
              for one in contenders if one.slug.startswith("trustbridge")]
    play(results, tasks, count, "decrypt")
