"""An LMTP relay that dies on request, between hubs and a mailbox server's real Dovecot (Tests/TestSupport/LabFaults).

Arguments: PORT (to listen on), DOVECOT (its port on this host), FOLDER.
FOLDER/fault, written by the test, says where connections end from now on:
  none     nowhere: everything passes
  connect  nobody listens, and what is open is closed
  rcpt     at the first RCPT, which Dovecot does not see
  data     after the first half of a message
  dot      after the whole message, which Dovecot stores; its replies are kept back
FOLDER/state repeats that word once it holds; FOLDER/cuts counts the connections that met their end so.
"""

import os
import re
import select
import socket
import sys
import threading
import time

PORT, DOVECOT, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
state = {"fault": "connect", "cuts": 0}
connections = set()


def write(name, text):
    with open(f"{FOLDER}/{name}.new", "w") as file:
        file.write(f"{text}\n")
    os.rename(f"{FOLDER}/{name}.new", f"{FOLDER}/{name}")


def fault():
    with lock:
        return state["fault"]


class Cut(Exception):
    pass


class Connection:
    def __init__(self, client):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", DOVECOT))
        self.asked = 1  # The greeting is a reply, too.
        self.answered = 0
        self.replies = b""
        self.input = b""

    def run(self):
        try:
            while True:
                self.command(self.line())
        except Cut:
            # Counted before the hub can see it.
            with lock:
                state["cuts"] += 1
                write("cuts", state["cuts"])
        except OSError:
            pass
        finally:
            self.client.close()
            self.server.close()

    # What passes from Dovecot to the hub while more of the hub's input is awaited.
    def pump(self, until):
        while not until():
            for ready in select.select([self.client, self.server], [], [], 60)[0] or [None]:
                octets = ready.recv(65536) if ready else b""
                if not octets:
                    raise OSError("closed")
                if ready is self.client:
                    self.input += octets
                    continue
                self.count(octets)
                self.client.sendall(octets)

    # The last line of a reply has no hyphen after its code (RFC 5321 section 4.2.1).
    def count(self, octets):
        *lines, self.replies = (self.replies + octets).split(b"\n")
        self.answered += sum(1 for line in lines if re.match(rb"\d{3}( |\r|$)", line))

    def line(self):
        self.pump(lambda: b"\n" in self.input)
        end = self.input.index(b"\n") + 1
        line, self.input = self.input[:end], self.input[end:]
        return line

    def command(self, line):
        word = line.split()[0].upper() if line.split() else b""
        if word == b"RCPT" and fault() == "rcpt":
            raise Cut
        if word == b"BDAT":
            words = line.split()
            self.chunk(line, int(words[1]), words[-1].upper() == b"LAST")
            return
        self.server.sendall(line)
        self.asked += 1
        if word == b"DATA":
            self.pump(lambda: self.answered >= self.asked)
            self.data()

    def chunk(self, line, size, is_last):
        self.server.sendall(line)
        if size and fault() == "data":
            self.pump(lambda: len(self.input) >= (size + 1) // 2)
            self.server.sendall(self.input[: size // 2])
            raise Cut
        self.pump(lambda: len(self.input) >= size)
        octets, self.input = self.input[:size], self.input[size:]
        if is_last and fault() == "dot":
            # All that was asked before is answered, in the hub's eyes too.
            self.pump(lambda: self.answered >= self.asked)
            self.swallow(octets)
        self.server.sendall(octets)
        # An intermediate chunk has one reply; the last has one for each recipient, which nobody awaits here.
        self.asked += 0 if is_last else 1

    def data(self):
        # 354 has come, so nothing but the message follows, and maybe commands after it (Postfix: QUIT). The newline stands
        # for the command's own: an empty message is the dot alone.
        end = b"\r\n.\r\n"
        self.pump(lambda: end in b"\r\n" + self.input)
        length = (b"\r\n" + self.input).index(end) + len(end) - 2
        octets, self.input = self.input[:length], self.input[length:]
        if fault() == "data":
            self.server.sendall(octets[: len(octets) // 2])
            raise Cut
        if fault() == "dot":
            self.swallow(octets)
        self.server.sendall(octets)

    # Dovecot does what it is asked until QUIT; what it says to that reaches nobody.
    def swallow(self, octets):
        self.server.sendall(octets + b"QUIT\r\n")
        while self.server.recv(65536):
            pass
        raise Cut


def serve(client):
    connection = None
    try:
        connection = Connection(client)
        with lock:
            connections.add(connection)
        connection.run()
    except OSError:
        client.close()
    finally:
        with lock:
            connections.discard(connection)


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", PORT))
    listener.listen(200)
    return listener


def close_all():
    with lock:
        for connection in connections:
            for end in (connection.client, connection.server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        state["cuts"] += 1
        write("cuts", state["cuts"])


listener = None
while True:
    with open(f"{FOLDER}/fault") as file:
        wanted = file.read().strip()
    if wanted and wanted != fault():
        if wanted == "connect":
            listener = listener and listener.close()
        with lock:
            state["fault"] = wanted
        if wanted == "connect":
            close_all()
    if listener is None and fault() != "connect":
        listener = listen()
    if wanted == fault():
        write("state", wanted)
    if listener is None:
        time.sleep(0.05)
    elif select.select([listener], [], [], 0.05)[0]:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()
