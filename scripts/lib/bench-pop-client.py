"""A mail program that does nothing but measure. Arguments: HOST PORT TASK COUNT.

Prints RATE DELAY UNITS: logins, lists or MB a second; the median of single logins in ms; how many logins, lists or MB.
For "large": ms to the first line of LIST after connecting, ms for UIDL and LIST.
For "pair": HOST is two, asked at once; the median of the later login, and no rate.
"""

import concurrent.futures
import multiprocessing
import socket
import statistics
import sys
import time

HOST, PORT, TASK, COUNT = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])


class Session:
    def __init__(self, user, host=HOST):
        self.socket = socket.create_connection((host, PORT), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ok()
        self.command(f"USER {user}@example.com")
        self.command("PASS secret")

    def ok(self):
        line = b""
        while not line.endswith(b"\r\n"):
            piece = self.socket.recv(512)
            if not piece:
                raise SystemExit("connection closed")
            line += piece
        if not line.startswith(b"+OK"):
            raise SystemExit(line.decode())

    def command(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        self.ok()

    def lines(self, text, first=None):
        """Octets of an answer up to its final dot; first() is called when there are two lines of it."""
        self.socket.sendall(text.encode() + b"\r\n")
        total, end, begin = 0, b"", b""
        while end != b"\r\n.\r\n":
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise SystemExit("connection closed")
            if not total and not piece.startswith(b"+OK"):
                raise SystemExit(piece[:100].decode())
            total += len(piece)
            end = (end + piece[-5:])[-5:]
            if first:
                begin += piece
                if begin.count(b"\r\n") > 1:
                    first()
                    first = None
        return total

    def quit(self):
        self.command("QUIT")
        self.socket.close()


def login(user, host=HOST):
    begin = time.monotonic()
    session = Session(user, host)
    delay = time.monotonic() - begin
    session.quit()
    return delay


def work(job):
    """One of several sessions at once: how much it did."""
    number, count = job
    if TASK == "logins":
        for _ in range(count):
            login(f"u{number + 1}")
        return count
    session = Session(f"u{(21 if TASK == 'lists' else 31) + number % 2}")
    done = 0
    for turn in range(count):
        if TASK == "lists":
            session.lines("UIDL")
            session.lines("LIST")
            done += 1
        else:
            done += session.lines(f"RETR {turn % 10 + 1}")
    session.quit()
    return done


def main():
    if TASK == "large":
        begin = time.monotonic()
        session = Session("u40")
        seen = []
        session.lines("LIST", lambda: seen.append(time.monotonic()))
        again = time.monotonic()
        session.quit()
        session = Session("u40")
        fresh = time.monotonic()
        session.lines("UIDL")
        session.lines("LIST")
        both = time.monotonic() - fresh
        session.quit()
        print(f"{(seen[0] - begin) * 1000:.1f} {both * 1000:.1f} {again}")
        return
    if TASK == "pair":
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            delays = [max(pool.map(lambda host: login("u1", host), HOST.split(","))) for _ in range(COUNT)]
        print(f"0 {statistics.median(delays) * 1000:.2f} {2 * COUNT}")
        return
    delays = []
    if TASK == "logins":
        delays = [login("u1") for _ in range(50)]
    sessions = {"logins": 8, "lists": 4, "fetches": 4}[TASK]
    each = {"logins": COUNT // 8, "lists": COUNT // 8, "fetches": COUNT // 6}[TASK]
    with multiprocessing.Pool(sessions) as pool:
        begin = time.monotonic()
        done = sum(pool.map(work, [(number, each) for number in range(sessions)], chunksize=1))
        seconds = time.monotonic() - begin
    units = done / 1e6 if TASK == "fetches" else done
    delay = statistics.median(delays) * 1000 if delays else 0
    print(f"{units / seconds:.2f} {delay:.2f} {units + len(delays):.3f}")


main()
