"""Fills this server's journal with deletions as a proxy writes them. Arguments: DELETIONS. The same on every server."""

import base64
import hashlib
import hmac
import os
import sys
import time

count, per_message, users = int(sys.argv[1]), 10_000, 1_000
with open("/etc/covey/cluster.key") as file:
    key = base64.b64decode(next(line for line in file if line.strip() and not line.startswith("#")))
now = int(time.time())
folder = "/var/vmail/example.com/covey-journal/Maildir"
for name in ("new", "cur", "tmp"):
    os.makedirs(f"{folder}/{name}", exist_ok=True)


def base32(octets):
    return base64.b32encode(octets[:16]).decode().lower().rstrip("=")


def entry(number):
    digest = hashlib.sha256(f"journal {number}".encode()).digest()
    text = f"deleted {now - number % 80_000} user{number % users}@example.com cv1{base32(digest)}"
    code = hmac.digest(key, b"covey journal 1\n" + text.encode(), "sha256")
    return f"{text} {base32(code)}\n"


for part, start in enumerate(range(0, count, per_message)):
    with open(f"{folder}/cur/{1700000000 + part}.M{part}P1.bench:2,S", "w") as file:
        file.write("From: <covey-journal@example.com>\nSubject: Covey journal: bench\n\n")
        file.writelines(entry(number) for number in range(start, min(count, start + per_message)))
