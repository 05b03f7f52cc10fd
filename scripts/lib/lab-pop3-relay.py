"""A POP3 relay that holds sessions up on request, between proxies and a mailbox server's real Dovecot
(Tests/TestSupport/LabPOP3Faults).

Arguments: PORT (to listen on), DOVECOT (its port on this host), FOLDER.
FOLDER/fault, written by the test, says where sessions that delete something stand still from now on:
  none    nowhere: everything passes
  down    nobody listens, and what is open is closed
  dele    after the first DELE, which Dovecot carries out; nothing after it reaches Dovecot
  noquit  before QUIT, which Dovecot does not see; what was deleted so far it keeps (RFC 1939 section 6)
  quit    after QUIT, which Dovecot carries out; its reply is kept back
FOLDER/state repeats that word once it holds; FOLDER/held counts the sessions that stood still. Such a session ends when
its proxy closes it.
"""

import os
import select
import socket
import sys
import threading
import time

PORT, DOVECOT, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
state = {"fault": "down", "held": 0}
connections = set()


def write(name, text):
    with open(f"{FOLDER}/{name}.new", "w") as file:
        file.write(f"{text}\n")
    os.rename(f"{FOLDER}/{name}.new", f"{FOLDER}/{name}")


def fault():
    with lock:
        return state["fault"]


class Session:
    def __init__(self, client):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", DOVECOT))
        self.input = b""
        self.deletes = False

    def run(self):
        while True:
            for ready in select.select([self.client, self.server], [], [])[0]:
                octets = ready.recv(65536)
                if not octets:
                    return
                if ready is self.server:
                    self.client.sendall(octets)
                    continue
                self.input += octets
                if self.commands():
                    return

    # Passes whole lines on; True when the session is over. What the client sends before it knows Dovecot (login) and after
    # is lines alone.
    def commands(self):
        while b"\n" in self.input:
            end = self.input.index(b"\n") + 1
            line, self.input = self.input[:end], self.input[end:]
            word = line[:4].upper()
            moment = fault()
            self.deletes = self.deletes or word == b"DELE"
            if word == b"QUIT" and self.deletes and moment == "noquit":
                return self.hold()
            self.server.sendall(line)
            if word == b"DELE" and moment == "dele":
                self.reply(b"\n")
                return self.hold()
            if word == b"QUIT" and self.deletes and moment == "quit":
                self.reply(None)
                return self.hold()
        return False

    # Waits for Dovecot's answer, or for its end of the connection: what it was told is done.
    def reply(self, until):
        while octets := self.server.recv(65536):
            if until and until in octets:
                return

    def hold(self):
        with lock:
            state["held"] += 1
            write("held", state["held"])
        while self.client.recv(65536):
            pass
        return True


def serve(client):
    session = None
    try:
        session = Session(client)
        with lock:
            connections.add(session)
        session.run()
        session.server.close()
    except OSError:
        pass
    finally:
        client.close()
        with lock:
            connections.discard(session)


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", PORT))
    listener.listen(200)
    return listener


def close_all():
    with lock:
        for session in connections:
            for end in (session.client, session.server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


listener = None
while True:
    with open(f"{FOLDER}/fault") as file:
        wanted = file.read().strip()
    if wanted and wanted != fault():
        if wanted == "down":
            listener = listener and listener.close()
        with lock:
            state["fault"] = wanted
        if wanted == "down":
            close_all()
    if listener is None and fault() != "down":
        listener = listen()
    if wanted == fault():
        write("state", wanted)
    if listener is None:
        time.sleep(0.05)
    elif select.select([listener], [], [], 0.05)[0]:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()
