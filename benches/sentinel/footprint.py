"""Sizes, the time from exec to the first answer, and what an idle sentinel keeps in memory."""
import socket
import time

import world

QUESTION = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
INTERPRETER, SYMBOLS = b"ld-linux", b".symtab"


def program(path):
    """Megabytes (1e6), and whether it is static and stripped."""
    data = path.read_bytes()
    return {"mb": len(data) / 1e6, "static": INTERPRETER not in data[:4096], "stripped": SYMBOLS not in data[-65536:]}


def first_answer(program_path, folder, number):
    """Milliseconds from exec to the first whole answer on the admin port."""
    start = time.perf_counter()
    made = world.Sentinel(program_path, folder, f"start-{number}")
    try:
        while time.perf_counter() - start < 10:
            with socket.socket() as link:
                if link.connect_ex(("127.0.0.1", world.ADMIN)):
                    continue
                link.sendall(QUESTION)
                if link.recv(64).startswith(b"HTTP/1.1 200"):
                    return (time.perf_counter() - start) * 1000
        raise world.Failed("the admin port never answered")
    finally:
        made.end()


def idle(program_path, tools, folder):
    """MiB of a sentinel that is Ready and has not been asked anything."""
    made = world.Sentinel(program_path, folder, "idle")
    try:
        made.wait_for("Decrypt")
        world.quiet([tools.lab, "read", made.pipe])
        made.wait_for("Ready")
        time.sleep(1)
        return world.memory(made.process, "VmRSS")
    finally:
        made.end()
