"""What is to be reached, and when a row does not count."""
from dataclasses import dataclass

# GB/s of each peer on a calm machine with two cores of Sapphire Rapids, 1 GiB in tmpfs, 2026-11-21, beside
# a single stream of SHA-256 at 1.37 GB/s. Decryption was to a pipe.
CALM_SHA256 = 1.37
CALM_ENCRYPT = {"go": 0.59, "python": 0.58, "openssl": 1.21, "age": 0.80, "rage": 0.63, "tink": 0.42,
                "gpg": 0.36, "rclone": 0.16}
CALM_TO_PIPE = {"go": 1.08, "python": 0.58, "openssl": 1.12, "age": 0.79, "rage": 0.43, "tink": 0.76,
                "gpg": 0.50, "rclone": 0.49}
# A peer that falls more than this below its own ratio to SHA-256 was hindered: beating it shows nothing.
TOLERANCE = 0.15

# How many times faster `trustbridge encrypt` is to be than each.
FASTER = {"go": 2.0, "python": 2.0, "age": 1.5, "rage": 1.9, "gpg": 3.0, "tink": 3.0, "rclone": 7.0}

OF_SHA256 = 0.95
DIRECTORY = 1.8
MEMORY_FILE_MIB = 24
MEMORY_DIRECTORY_MIB = 64
FIRST_BYTE_MS = 50
BINARY_SHA256 = 0.9
OPEN_OF_SHA256 = 7.0


@dataclass(frozen=True)
class Footing:
    """A peer's ratio to SHA-256: its own on a calm machine, and in this run."""
    own: float
    here: float

    @property
    def void(self):
        return self.here < self.own * (1 - TOLERANCE)


def footing(calm, slug, rate, sha256):
    """None where there is no calm figure. Rates in bytes per second."""
    if slug not in calm:
        return None
    return Footing(calm[slug] / CALM_SHA256, rate / sha256)


def verdict(met):
    return "met" if met else "**missed**"
