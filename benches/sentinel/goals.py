"""What is to be reached, and when a row does not count."""

# GB/s of each peer to a pipe on a calm machine with two cores of Sapphire Rapids, beside 1.37 GB/s of SHA-256
# (benches/tbenc has the same). The store speaks TLS here, which it did not then: no calm figure holds for downloads.
CALM_SHA256 = 1.37
CALM_OPEN = {"go": 1.08, "python": 0.58, "age": 0.79, "rage": 0.43}
TOLERANCE = 0.15

OPEN = {"go": 2.4, "python": 4.5, "age": 3.3, "rage": 6.0}
OPEN_CPU = 0.40
HYDRATE = {"go": 2.5, "curl": 6.0, "azcopy": 8.0}
HYDRATE_OF_SHA256 = 0.85
HYDRATE_MIB = 64
DOWNLOAD = 1.4
# The goal names these; the ranged download in Go stands in the table besides.
DOWNLOADERS = ("curl", "wget2", "s5cmd", "hf_transfer", "aria2c", "axel", "azcopy")
RPS_OF_NGINX, RPS_OF_ENVOY = 1.0, 3.5
ADDED_P99_US = 125
FIRST_EVENT_US, EVENT_US = 300, 1000
PROXY_MIB = 8
SENTINEL_MB = WEBHOOK_MB = 6
FIRST_ANSWER_MS = 5
IDLE_MIB = 6


def void(slug, rate, sha256):
    """Whether a peer fell so far below its own calm ratio that beating it shows nothing. Rates in bytes per second."""
    return slug in CALM_OPEN and rate / sha256 < CALM_OPEN[slug] / CALM_SHA256 * (1 - TOLERANCE)


def verdict(met):
    return "met" if met else "**missed**"
