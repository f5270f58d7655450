"""The public port beside other proxies: one core for the proxy, the other for load and runtime."""
import re
import subprocess
import sys
import time

import measure
import world

LOAD_CORE, PROXY_CORE = {0}, {1}
MANY, BODY = 32, 256
STREAMS = 20
SCRIPT = """
wrk.method = "POST"
wrk.path = "/v1/completions"
wrk.body = string.rep("x", BYTES)
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer TOKEN"
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout))
end
"""
ENVOY = """
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: PUBLIC}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          codec_type: HTTP1
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: runtime, timeout: 600s}}]}]}
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
  clusters:
  - name: runtime
    type: STATIC
    load_assignment: {cluster_name: runtime, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: RUNTIME}}}}]}]}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout client 600s
  timeout server 600s
  timeout connect 5s
  option http-no-delay
  http-reuse always
frontend f
  bind 127.0.0.1:PUBLIC
  default_backend b
backend b
  server s 127.0.0.1:RUNTIME
"""
# What nginx needs so that neither an event nor a connection waits: the settings that its users set for this.
NGINX = """
daemon off; pid HOME/pid; worker_processes 1; error_log HOME/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000; tcp_nodelay on;
  client_body_temp_path HOME/b; proxy_temp_path HOME/p; fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u; scgi_temp_path HOME/s;
  upstream runtime { server 127.0.0.1:RUNTIME; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:PUBLIC;
    location / { proxy_pass http://runtime; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
"""
# The runtime of the throughput rows: nginx, because it costs the load's core the least.
UPSTREAM = """
daemon off; pid HOME/pid; worker_processes 1; error_log HOME/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000; default_type application/json;
  client_body_temp_path HOME/b; proxy_temp_path HOME/p; fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u; scgi_temp_path HOME/s;
  upstream events { server 127.0.0.1:EVENTS; keepalive 8; }
  server {
    listen 127.0.0.1:RUNTIME;
    location = /health { return 200 ok; }
    location = /v1/completions { return 200 'ANSWER'; }
    location = /v1/chat/completions { proxy_pass http://events; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
"""
ANSWER = '{"object":"text_completion","choices":[{"text":"' + "a" * 380 + \
    '","finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":95}}'
EVENTS = world.RUNTIME + 1


def filled(text):
    for name, value in (("PUBLIC", world.PUBLIC), ("RUNTIME", world.RUNTIME), ("EVENTS", EVENTS), ("ANSWER", ANSWER),
                        ("TOKEN", world.TOKEN), ("BYTES", BODY)):
        text = text.replace(name, str(value))
    return text


class Proxies:
    """Figures by contender: a list with one dictionary for each round."""

    def __init__(self, tools, program, folder):
        self.tools, self.program, self.folder = tools, program, folder
        self.rounds, self.broken, self.drain = {}, {}, []
        self.script = folder / "load.lua"
        self.script.write_text(filled(SCRIPT))
        (folder / "envoy.yaml").write_text(filled(ENVOY))
        (folder / "haproxy.cfg").write_text(filled(HAPROXY))
        self.upstream = world.nginx(folder, "upstream", filled(UPSTREAM), LOAD_CORE)
        self.events = world.pinned([tools.lab, "runtime", f"127.0.0.1:{EVENTS}"], LOAD_CORE)
        world.wait_for_port(world.RUNTIME, self.upstream)
        world.wait_for_port(EVENTS, self.events)
        self.starts = {"direct": None, "sentinel": self.sentinel, "nginx": self.nginx, "haproxy": self.haproxy,
                       "envoy": self.envoy}

    def sentinel(self, number=[0]):
        number[0] += 1
        made = world.Sentinel(self.program, self.folder, f"proxy-{number[0]}", PROXY_CORE)
        made.wait_for("Decrypt")
        world.quiet([self.tools.lab, "read", made.pipe])
        made.wait_for("Ready")
        return made

    def nginx(self):
        return world.nginx(self.folder, "proxy", filled(NGINX), PROXY_CORE)

    def haproxy(self):
        return world.pinned([world.found.find("haproxy"), "-db", "-f", self.folder / "haproxy.cfg"], PROXY_CORE)

    def envoy(self):
        return world.pinned([self.tools.envoy, "-c", self.folder / "envoy.yaml", "--concurrency", "1", "--log-level", "off",
                             "--disable-hot-restart"], PROXY_CORE)

    def load(self, port, clients, seconds):
        said = world.quiet(["taskset", "-c", "0", world.found.find("wrk"), "-t1", f"-c{clients}", f"-d{seconds}s", "-s",
                            self.script, f"http://127.0.0.1:{port}"])
        numbers = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$", said, re.MULTILINE)
        count, micros, median, tail, errors = (int(number) for number in numbers.groups())
        if errors or not count:
            raise measure.Failed(f"{errors} errors in {count} answers on port {port}")
        return {"rps": count / micros * 1e6, "p50": median, "p99": tail, "count": count}

    def stream(self, port):
        said = world.quiet(["taskset", "-c", "0", self.tools.lab, "events",
                            f"http://127.0.0.1:{port}/v1/chat/completions", world.TOKEN, STREAMS])
        return dict(zip(("first50", "first99", "lag50", "lag99", "lagmax"), map(int, said.split())))

    def once(self, name, seconds):
        port, server, process = world.RUNTIME, None, None
        if self.starts[name]:
            server, port = self.starts[name](), world.PUBLIC
            process = getattr(server, "process", server)
            world.wait_for_port(port, process)
        try:
            self.load(port, MANY, 1)
            before = world.cpu(process) if process else 0
            many = self.load(port, MANY, seconds)
            used = world.cpu(process) - before if process else 0
            made = {"rps": many["rps"], "p50": many["p50"], "p99": many["p99"], "cpu": used / many["count"] * 1e6}
            lone = self.load(port, 1, seconds)
            made |= {"one50": lone["p50"], "one99": lone["p99"], **self.stream(port)}
            made["rss"] = world.memory(process, "VmHWM") if process else 0
            if name == "sentinel":
                made["now"] = world.memory(process, "VmRSS")
        finally:
            if server:
                server.end() if hasattr(server, "end") else world.end(server)
        self.rounds.setdefault(name, []).append(made)

    def play(self, rounds, seconds):
        for turn in range(rounds):
            print(f"proxies, round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            names = list(self.starts)
            at = turn % len(names)
            for name in names[at:] + names[:at]:
                self.once(name, seconds)

    def prove(self):
        """Each once and shortly: no error, every event there. One that cannot is left out, with its words."""
        for name in list(self.starts):
            try:
                self.once(name, 1)
            except (world.Failed, measure.Failed) as error:
                if name == "sentinel":
                    raise
                self.broken[name] = str(error)[:200]
                del self.starts[name]
        self.rounds.clear()

    def drains(self, count):
        """SIGTERM under load: answered, refused with 503, ended at the closed port, lost."""
        for _ in range(count):
            server = self.sentinel()
            load = subprocess.Popen([self.tools.lab, "drain", f"http://127.0.0.1:{world.PUBLIC}", world.TOKEN, "16", "10"],
                                    stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            world.stop(server.process)
            said = load.communicate(timeout=60)[0].split()
            self.drain.append([int(number) for number in said] + [server.end()])

    def end(self):
        for process in (self.upstream, self.events):
            world.end(process)
