"""Fills a user's Maildir. Arguments: USER MESSAGES OCTETS. The same arguments make the same messages on every server."""

import base64
import hashlib
import os
import sys

user, count, octets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
folder = f"/var/vmail/example.com/{user}/Maildir"
for name in ("new", "cur", "tmp"):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
line = "A line of a message that nobody will ever read, as long as such lines are.\n"
body = line * (octets // len(line))
for number in range(count):
    digest = hashlib.sha256(f"{user} {number}".encode()).digest()[:16]
    stamp = "cv1" + base64.b32encode(digest).decode().lower().rstrip("=")
    with open(f"{folder}/cur/{1700000000 + number}.M{number}P1.bench:2,", "w") as file:
        file.write(
            "Return-Path: <bench@elsewhere.example>\n"
            f"Message-ID: <{number}@elsewhere.example>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
            f"From: bench@elsewhere.example\nTo: {user}@example.com\nSubject: message {number}\nX-UIDL: {stamp}\n\n"
        )
        file.write(body)
