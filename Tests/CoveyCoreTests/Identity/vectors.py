#!/usr/bin/env python3
"""Computes the identity test vectors, independently of Covey's own code (design §3).

Reads nothing, prints vectors.json: run it as  ./vectors.py > vectors.json.
The rules are written down here a second time on purpose: a fault must be made twice, in two languages, to hide.
"""
import base64
import hashlib
import hmac
import json
import re

KEY = bytes(range(32))
LISTED = re.compile(
    rb"(received|message-id|date|from|sender|to|cc|subject|resent-.*|list-.*|content-.*)\Z", re.I | re.S)


def canonical(fields, body):
    text = b""
    for name, value in fields:
        name = name.rstrip(b" \t").lower()
        if LISTED.match(name):
            text += name + b":" + re.sub(rb"[ \t\r\n]+", b" ", value).strip(b" ") + b"\n"
    return text + b"\n" + body


def identity(fields, body):
    digest = hmac.new(KEY, canonical(fields, body), hashlib.sha256).digest()[:16]
    return "cv1" + base64.b32encode(digest).decode().rstrip("=").lower()


PLAIN = [
    (b"Received", b" from a.example (a.example [192.0.2.1])\n\tby b.example; Mon, 23 Nov 2026 10:00:00 +0000"),
    (b"From", b" Alice <alice@example.org>"),
    (b"To", b" bob@example.com"),
    (b"Subject", b" hello"),
    (b"Date", b" Mon, 23 Nov 2026 10:00:00 +0000"),
    (b"Message-ID", b" <1@example.org>"),
]
BODY = b"Hello,\r\n\r\nworld.\r\n"

CASES = {
    "plain": (PLAIN, BODY),
    "spam score and DKIM added by a filter change nothing": (
        [(b"X-Spam-Score", b" 3.1"), (b"DKIM-Signature", b" v=1; b=abc")] + PLAIN + [(b"X-Greylist", b" late")], BODY),
    "other folding is the same message": (
        [(b"RECEIVED", b" from a.example\r\n  (a.example\t [192.0.2.1])   by b.example; Mon, 23 Nov 2026 10:00:00 +0000 ")]
        + PLAIN[1:], BODY),
    "space before the colon": ([(n + b" ", v) for n, v in PLAIN], BODY),
    "another hop is another message": ([(b"Received", b" from c.example by d.example")] + PLAIN, BODY),
    "order counts": (list(reversed(PLAIN)), BODY),
    "list copy": (PLAIN + [(b"List-Id", b" <x.example.org>"), (b"Resent-From", b" x@example.org")], BODY),
    "content fields": (PLAIN + [(b"Content-Type", b" text/plain; charset=utf-8")], BODY),
    "no header at all": ([], BODY),
    "no body": (PLAIN, b""),
    "one octet more": (PLAIN, BODY + b"\n"),
    "octets that are not text": ([(b"Subject", b" \xff\xfe\x00z")], bytes(range(256)) * 3),
    "an empty value": ([(b"Subject", b""), (b"To", b"  \n ")], b""),
    "names that only look alike": ([(b"Received-SPF", b" pass"), (b"Datex", b" 1"), (b"Resent", b" 1")], b""),
}

if __name__ == "__main__":
    print(json.dumps({
        "key": KEY.hex(),
        "vectors": [
            {
                "name": name,
                "fields": [[n.hex(), v.hex()] for n, v in fields],
                "body": body.hex(),
                "id": identity(fields, body),
            }
            for name, (fields, body) in CASES.items()
        ],
    }, indent=1))
