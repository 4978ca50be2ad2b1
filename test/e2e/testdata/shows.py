"""Reads the message of a request with imaplib, by parts, and searches."""
import imaplib
import json
import ssl
import sys

address, authority, user, password, reference, *searches = sys.argv[1:]
host, port = address.rsplit(":", 1)


def ok(answer):
    status, data = answer
    if status != "OK":
        sys.exit("answered %s %r" % (status, data))
    return data


c = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=authority))
ok(c.login(user, password))
ok(c.select("INBOX", readonly=True))
uid = ok(c.uid("SEARCH", "HEADER", "X-Relais-Reference", reference))[0].split()[0].decode()


def section(name):
    data = ok(c.uid("FETCH", uid, "(BODY.PEEK[%s])" % name))[0]
    return data[1].decode("utf-8", "surrogateescape") if isinstance(data, tuple) else ""


meta = ok(c.uid("FETCH", uid, "(RFC822.SIZE BODYSTRUCTURE)"))[0].decode()
print(json.dumps({
    "Structure": meta.split("BODYSTRUCTURE ", 1)[1],
    "Size": int(meta.split("RFC822.SIZE ", 1)[1].split()[0]),
    "Whole": section(""),
    "Note": section("1"),
    "Content": section("2"),
    "Middle": ok(c.uid("FETCH", uid, "(BODY.PEEK[2]<5.20>)"))[0][1].decode(),
    "Header": section("2.MIME"),
    "Original": section("3"),
    "Found": {s: [n.decode() for n in ok(c.uid("SEARCH", s))[0].split()] for s in searches},
}))
c.logout()
