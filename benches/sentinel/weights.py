"""The path of the weights: from ciphertext to a FIFO, and from the store to a FIFO."""
import os
import shutil
import subprocess
import sys
import time

import measure
import world
from measure import Sample

CONNECTIONS, RANGE = 4, 8 << 20
URL = f"https://127.0.0.1:{world.STORE}/model.tbenc"
CLOUD = f"https://127.0.0.1:{world.CLOUD}"


def downloads(tools, folder, out):
    """Contender -> command that fetches the blob into `out`."""
    ca = folder / "ca.crt"
    fetch = "import sys, hf_transfer; hf_transfer.download(sys.argv[1], sys.argv[2], max_files=8, chunk_size=10 << 20)"
    made = {
        "curl": ["curl", "--silent", "--fail", "--cacert", ca, "--output", out, URL],
        "wget2": ["wget2", "--quiet", "--no-config", "--tries=1", f"--ca-certificate={ca}", "-O", out, URL],
        "s5cmd": [tools.s5cmd, "--endpoint-url", CLOUD, "--no-verify-ssl", "--no-sign-request", "cp",
                  "s3://bucket/model.tbenc", out],
        "hf_transfer": [tools.python, "-c", fetch, URL, out],
        "aria2c": ["aria2c", "--quiet", "--no-conf", f"--ca-certificate={ca}", "--max-connection-per-server=4", "--split=4",
                   "--file-allocation=none", "--allow-overwrite=true", "--dir", out.parent, "--out", out.name, URL],
        "axel": ["axel", "--quiet", "--insecure", "--num-connections=16", "--output", out, URL],
        "go": [tools.lab, "fetch", URL, ca, out, CONNECTIONS, RANGE],
    }
    if tools.azcopy:
        made["azcopy"] = [tools.azcopy, "copy", f"{CLOUD}/account/container/model.tbenc?sig=x", out, "--from-to=BlobLocal",
                          "--check-md5=NoCheck", "--log-level=NONE", "--output-level=quiet"]
    return made


def environment(folder):
    """Trust for the peers that have no option for it; azcopy keeps its plans out of the home folder."""
    return {"SSL_CERT_FILE": str(folder / "ca.crt"), "AZCOPY_LOG_LOCATION": str(folder / "azcopy"),
            "AZCOPY_JOB_PLAN_LOCATION": str(folder / "azcopy"), "AZCOPY_SKIP_VERSION_CHECK": "true"}


def hydrations(tools, folder, out):
    """Contender -> command that fetches, verifies, and writes the plaintext to standard output."""
    fetch = downloads(tools, folder, out)
    digest = f"echo \"$(sed -n 's/.*sha256_ciphertext\": \"\\([0-9a-f]*\\)\".*/\\1/p' {folder}/blobs/model.manifest.json)  {out}\""
    manifest = f"--manifest {folder}/blobs/model.manifest.json --key-file {folder}/key --in {out} --out -"
    python = f"{tools.base.python} {world.found.HERE.parent}/tbenc/peers/python/tbenc.py decrypt {manifest}"
    go = f"{tools.base.tbenc_go} decrypt {manifest}"

    def steps(download, check, opener):
        return ["bash", "-euc", f"{' '.join(map(str, download))} >&2\n{check}\nexec {opener}"]

    sha256sum = f"{digest} | sha256sum --check --status"
    made = {"go": steps(fetch["go"], "", f"{go} --verify"),
            "curl": steps(fetch["curl"], sha256sum, python)}
    if "azcopy" in fetch:
        quoted = [f"'{part}'" if "?" in str(part) else part for part in fetch["azcopy"]]
        made["azcopy"] = steps(quoted, sha256sum, go)
    return made


def openings(tools, folder):
    """Contender -> command that opens the ciphertext that lies there to standard output. age and rage have their own."""
    manifest = ["--manifest", folder / "blobs" / "model.manifest.json", "--key-file", folder / "key",
                "--in", folder / "blobs" / "model.tbenc", "--out", "-"]
    identity, sealed = folder / "age.identity", folder / "age.sealed"
    world.quiet(["age-keygen", "-o", identity])
    recipient = world.quiet(["age-keygen", "-y", identity]).strip()
    world.quiet(["age", "--recipient", recipient, "--output", sealed, folder / "plain"])
    return {
        "go": [tools.base.tbenc_go, "decrypt", *manifest],
        "python": [tools.base.python, world.found.HERE.parent / "tbenc" / "peers" / "python" / "tbenc.py", "decrypt", *manifest],
        "age": ["age", "--decrypt", "--identity", identity, sealed],
        "rage": [tools.base.rage, "--decrypt", "--identity", identity, sealed],
    }


class Weights:
    """Samples by (job, contender)."""

    def __init__(self, tools, program, folder, size):
        self.tools, self.program, self.folder, self.size = tools, program, folder, size
        self.out = folder / "out"
        self.samples, self.sha256, self.broken = {}, [], dict(tools.absent)
        os.environ.update(environment(folder))
        self.fetch = downloads(tools, folder, self.out)
        self.hydrate = hydrations(tools, folder, self.out)
        self.open = openings(tools, folder)
        self.keeper = None

    def add(self, job, name, sample):
        self.samples.setdefault(f"{job}/{name}", []).append(list(vars(sample).values()))

    def prove(self):
        """Every contender once: bytes right, or it does not take part and the report says why."""
        for name, command in list(self.fetch.items()):
            try:
                measure.run(command)
                same = subprocess.run(["cmp", "--silent", self.out, self.folder / "blobs" / "model.tbenc"], check=False)
                if same.returncode:
                    raise measure.Failed("what it fetched is not the blob")
            except measure.Failed as error:
                self.broken[name] = str(error).splitlines()[-1][:200]
                del self.fetch[name]
                self.hydrate.pop(name, None)
            self.out.unlink(missing_ok=True)
        for command in (*self.hydrate.values(), *self.open.values()):
            self.check_stdout(command)
        self.keeper = world.Sentinel(self.program, self.folder, "keeper")
        self.keeper.wait_for("Decrypt")
        with open(self.keeper.pipe, "rb") as pipe:
            done = subprocess.run(["cmp", "--silent", "-", self.folder / "plain"], stdin=pipe, check=False, timeout=600)
        if done.returncode:
            raise measure.Failed("the sentinel's plaintext is another one")

    def check_stdout(self, command):
        maker = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        done = subprocess.run(["cmp", "--silent", "-", self.folder / "plain"], stdin=maker.stdout, check=False, timeout=600)
        maker.stdout.close()
        if maker.wait(timeout=60) or done.returncode:
            raise measure.Failed(f"{command[0]}: its plaintext is another one")
        self.out.unlink(missing_ok=True)

    def read_fifo(self):
        """The sentinel that has verified ciphertext offers it again; what it takes from first to last byte."""
        before = world.cpu(self.keeper.process)
        said = world.quiet([self.tools.lab, "read", self.keeper.pipe]).split()
        if int(said[0]) != self.size:
            raise measure.Failed(f"{said[0]} bytes came out of the FIFO")
        rss = world.memory(self.keeper.process, "VmHWM")
        used = world.cpu(self.keeper.process) - before
        self.add("open", "sentinel", Sample(float(said[2]), used, used, rss))

    def fresh(self, reader=False):
        """A sentinel from its start, to the digest that stands or to the last byte that a reader has."""
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        self.keeper.end()
        home = self.folder / "fresh"
        home.mkdir()
        # The reader waits for the FIFO, which is there long before the digest stands.
        reading = subprocess.Popen([self.tools.lab, "read", home / "pipe"], stdout=subprocess.PIPE, text=True) if reader else None
        start = time.perf_counter()
        fresh = world.Sentinel(self.program, self.folder, "fresh")
        if reading:
            said = reading.communicate(timeout=world.DEADLINE)[0].split()
            if not said or int(said[0]) != self.size:
                raise measure.Failed("the fresh sentinel did not deliver")
        else:
            while b"ciphertext verified" not in (home / "log").read_bytes():
                if fresh.process.poll() is not None or time.perf_counter() - start > world.DEADLINE:
                    raise measure.Failed("the fresh sentinel did not verify")
                time.sleep(0.0005)
        wall = time.perf_counter() - start
        used, rss = world.cpu(fresh.process), world.memory(fresh.process, "VmHWM")
        self.add("hydrate" if reading else "verified", "sentinel", Sample(wall, used, used, rss))
        fresh.end()
        shutil.rmtree(home)
        self.keeper = world.Sentinel(self.program, self.folder, "keeper")
        self.keeper.wait_for("Decrypt")

    def tasks(self):
        def download(name):
            self.add("download", name, measure.run(self.fetch[name]))
            self.out.unlink()

        def hydrate(name):
            self.add("hydrate", name, measure.run(self.hydrate[name], to_pipe=True))
            self.out.unlink()

        made = [self.read_fifo, self.fresh, lambda: self.fresh(reader=True)]
        made += [lambda n=name: self.add("open", n, measure.run(self.open[n], to_pipe=True)) for name in self.open]
        made += [lambda n=name: download(n) for name in self.fetch]
        return made + [lambda n=name: hydrate(n) for name in self.hydrate]

    def play(self, rounds, after):
        """`after` hears of each whole round: what was measured until then counts, whatever comes later."""
        for turn in range(rounds):
            print(f"weights, round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            self.sha256.append(measure.openssl_sha256())
            tasks = self.tasks()
            at = turn * 3 % len(tasks)
            for task in tasks[at:] + tasks[:at]:
                task()
            after(self.figures())

    def figures(self):
        return {"samples": self.samples, "size": self.size, "sha256": self.sha256, "broken": self.broken}

    def end(self):
        if self.keeper:
            self.keeper.end()
