"""Deletes a message as a mail program does: demo-delete.py SERVER NUMBER USER PASSWORD, on a lab host."""
import poplib
import sys

server, number, user, password = sys.argv[1:]
session = poplib.POP3(server, 1100, timeout=60)
session.user(user)
session.pass_(password)
for command in ("DELE " + number, "QUIT"):
    print("C:", command)
    try:
        print("S:", session._shortcmd(command).decode())
    except poplib.error_proto as error:
        print("S:", error.args[0].decode())
