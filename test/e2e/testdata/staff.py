"""Finds the message of a request with imaplib, marks it, and closes it by
moving it to Archive."""
import imaplib
import ssl
import sys

address, authority, user, password, reference = sys.argv[1:]
host, port = address.rsplit(":", 1)


def ok(answer):
    status, data = answer
    if status != "OK":
        sys.exit("answered %s %r" % (status, data))
    return data


c = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=authority))
ok(c.login(user, password))
folders = b" ".join(ok(c.list()))
for use in (b"\\Sent", b"\\Drafts", b"\\Archive", b"\\Trash"):
    if use not in folders:
        sys.exit("no folder is %r: %r" % (use, folders))
ok(c.select("INBOX"))
uids = ok(c.uid("SEARCH", "HEADER", "X-Relais-Reference", reference))[0].split()
if len(uids) != 1:
    sys.exit("found %r" % uids)
uid = uids[0].decode()
body = ok(c.uid("FETCH", uid, "(FLAGS BODY.PEEK[])"))
if reference.encode() not in body[0][1]:
    sys.exit("another message: %r" % body)
ok(c.uid("STORE", uid, "+FLAGS", r"(\Seen \Flagged)"))
flags = ok(c.uid("FETCH", uid, "(FLAGS)"))[0]
if b"\\Flagged" not in flags or b"\\Seen" not in flags:
    sys.exit("flags are %r" % flags)
ok(c.uid("MOVE", uid, "Archive"))
if ok(c.uid("SEARCH", "ALL"))[0].split():
    sys.exit("it is still in INBOX")
ok(c.select("Archive"))
if len(ok(c.uid("SEARCH", "HEADER", "X-Relais-Reference", reference))[0].split()) != 1:
    sys.exit("it is not in Archive")
c.logout()
