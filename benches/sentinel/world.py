"""What a sentinel needs around it: certificates, a control plane, a blob store, an asset, a runtime."""
import datetime
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import tools as found

ASSET = "tb-asset-bench"
TOKEN = "bench-token"
# SHA-256 of the token above, as TB_TOKENS_PATH wants it.
TOKEN_SHA256 = __import__("hashlib").sha256(TOKEN.encode()).hexdigest()
CONTROL, STORE, CLOUD, RUNTIME, PUBLIC, ADMIN = 18443, 18444, 18445, 18081, 18000, 18001
DEADLINE = 120


class Failed(Exception):
    """Something did not do its work."""


def quiet(command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=DEADLINE, **more)
    if done.returncode:
        raise Failed(f"{command[0]}: exit code {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
    return done.stdout


def certificates(folder):
    """An authority and a certificate for 127.0.0.1."""
    quiet(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
           "-subj", "/CN=bench", "-keyout", folder / "ca.key", "-out", folder / "ca.crt",
           "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"])
    quiet(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1",
           "-keyout", folder / "leaf.key", "-out", folder / "leaf.csr"])
    (folder / "leaf.ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    quiet(["openssl", "x509", "-req", "-in", folder / "leaf.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
           "-CAcreateserial", "-days", "2", "-extfile", folder / "leaf.ext", "-out", folder / "leaf.crt"])


class Control:
    """The control plane: one contract, one asset, always yes."""

    def __init__(self, folder, key_hex):
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=12)
        base = f"https://127.0.0.1:{STORE}"
        answer = json.dumps({
            "status": "authorized", "sas_url": f"{base}/model.tbenc?sig=x",
            "manifest_url": f"{base}/model.manifest.json?sig=x", "decryption_key_hex": key_hex,
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A sentinel that was ended in the middle of its question is none of ours."""

        self.server = Server(("127.0.0.1", CONTROL), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "leaf.crt", folder / "leaf.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def seal(tools, folder, size):
    """A file of random bytes, sealed by the Go program: what is measured did not make what it reads."""
    plain, made = folder / "plain", folder / "blobs"
    made.mkdir()
    with open(plain, "wb") as file:
        for at in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - at)))
    quiet([tools.base.tbenc_go, "encrypt", "--in", plain, "--out", made / "model.tbenc", "--manifest",
           made / "model.manifest.json", "--asset-id", ASSET, "--key-out", folder / "key"])
    return (folder / "key").read_text().strip()


def nginx(folder, name, text, cores=None):
    """A server of ours alone: nothing of the system's own is read or written."""
    home = folder / name
    home.mkdir(exist_ok=True)
    config = home / "nginx.conf"
    config.write_text(text.replace("HOME", str(home)))
    command = [found.find("nginx"), "-p", home, "-c", config, "-e", home / "error.log"]
    return pinned(command, cores)


def store(folder):
    """The blob store over TLS, from memory, as research/06 section 3 has it but for the TLS."""
    return nginx(folder, "store", f"""
daemon off; pid HOME/pid; worker_processes 2; error_log HOME/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path HOME/b; proxy_temp_path HOME/p; fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u; scgi_temp_path HOME/s;
  server {{
    listen 127.0.0.1:{STORE} ssl; ssl_certificate {folder}/leaf.crt; ssl_certificate_key {folder}/leaf.key;
    root {folder}/blobs;
  }}
}}
""")


def pinned(command, cores=None, **more):
    before = None if cores is None else lambda: os.sched_setaffinity(0, cores)
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, preexec_fn=before, **more)


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port, process=None):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process and process.poll() is not None:
            raise Failed(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.0005)
    raise Failed(f"nobody listens on port {port}")


class Sentinel:
    """The program under test, with everything it writes in memory."""

    def __init__(self, program, folder, name, cores=None, **env):
        self.home = folder / name
        for sub in ("model", "state", "cipher"):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        (self.home / "tokens").write_text(TOKEN_SHA256 + "\n")
        made = {
            "TB_CONTRACT_ID": "contract-bench", "TB_ASSET_ID": ASSET, "TB_EDC_ENDPOINT": f"https://127.0.0.1:{CONTROL}",
            "TB_CA_PATH": folder / "ca.crt", "TB_TARGET_DIR": self.home / "cipher", "TB_STATE_DIR": self.home / "state",
            "TB_MODEL_DIR": self.home / "model", "TB_PIPE_PATH": self.pipe, "TB_READY_SIGNAL": self.home / "ready",
            "TB_AUDIT_PATH": self.home / "audit.jsonl", "TB_TERMINATION_LOG": self.home / "termination",
            "TB_RUNTIME_URL": f"http://127.0.0.1:{RUNTIME}", "TB_PUBLIC_ADDR": f"127.0.0.1:{PUBLIC}",
            "TB_ADMIN_ADDR": f"127.0.0.1:{ADMIN}", "TB_NODE_NAME": "bench", "TB_TOKENS_PATH": self.home / "tokens",
        }
        before = None if cores is None else lambda: os.sched_setaffinity(0, cores)
        self.log = open(self.home / "log", "ab")
        self.process = subprocess.Popen([program, "serve"], env={k: str(v) for k, v in (made | env).items()},
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=before)

    @property
    def pipe(self):
        return self.home / "pipe"

    def state(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/status", timeout=5) as answer:
                return json.load(answer)["state"]
        except (urllib.error.URLError, OSError, KeyError):
            return None

    def wait_for(self, state):
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            if self.state() == state:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failed(f"the sentinel is not {state}: {(self.home / 'log').read_text()[-1500:]}")

    def end(self):
        end(self.process)
        self.log.close()
        return self.process.returncode


def cpu(*processes):
    """Seconds of CPU that these processes and their children have used so far."""
    total = 0
    for pid in family(*processes):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def memory(process, field):
    """MiB of `VmHWM` (the peak) or `VmRSS` (now), over the process and its children."""
    total = 0
    for pid in family(process):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                total += int(line.split()[1])
    return total / 1024


def family(*processes):
    found_pids, todo = [], [process.pid for process in processes]
    while todo:
        pid = todo.pop()
        found_pids.append(pid)
        todo += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found_pids


def stop(process):
    process.send_signal(signal.SIGTERM)
