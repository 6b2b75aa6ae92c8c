"""A codec server: Flask's own session serializer behind standard input and output.

A line in is a JSON list of operations, a line out the list of their results.
"""

import base64
import json
import sys
import time

import flask
import itsdangerous
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, session_json_serializer
from werkzeug.test import create_environ

from annotate import build, describe

app = flask.Flask(__name__)
interface = SecureCookieSessionInterface()
clock = None  # what itsdangerous takes for now; None is the real time


def get_timestamp(self):
    return int(time.time()) if clock is None else clock


itsdangerous.TimestampSigner.get_timestamp = get_timestamp


def serializer(op):
    """Flask's serializer with the operation's keys (the current one first) and time."""
    global clock
    clock = op.get("now")
    secrets = [base64.b64decode(k) for k in op["keys"]]
    app.secret_key = secrets[0]
    app.config["SECRET_KEY_FALLBACKS"] = secrets[1:]
    interface.salt = op.get("salt", "cookie-session")
    return interface.get_signing_serializer(app)


def dump(op):
    """Writes a cookie as save_session does."""
    session = build(op["session"])
    cookie = serializer(op).dumps(dict(session))
    return {"cookie": cookie, "json": session_json_serializer.dumps(dict(session))}


def load(op):
    """Reads a cookie as open_session does, and says what became of it.

    verdict is session, refused (Flask begins an empty session) or error (Flask
    answers every request with 500).
    """
    try:
        return opened(op, lambda s: s.loads(op["cookie"], max_age=op.get("max_age", 31 * 86400), return_timestamp=True))
    except itsdangerous.BadSignature as e:
        return {"verdict": "refused", "error": type(e).__name__}
    except Exception as e:  # whatever it is, Flask does not catch it
        return {"verdict": "error", "error": type(e).__name__}


def opened(op, read):
    data, at = read(serializer(op))
    session = dict(SecureCookieSession(data))
    result = {"verdict": "session", "session": describe(session), "at": int(at.timestamp())}
    try:
        result["json"] = session_json_serializer.dumps(session)
    except Exception as e:  # readable, but Flask could not write it
        result["error"] = type(e).__name__
    return result


def sign(op):
    """Signs any payload, good or bad, as Flask would sign a good one."""
    s = serializer(op)
    payload = itsdangerous.base64_encode(base64.b64decode(op["payload"] or b""))
    return {"cookie": s.make_signer(s.salt).sign(payload).decode()}


def header(op):
    """Which session a request with this Cookie header has, through Flask's request and open_session."""
    serializer(op)
    environ = create_environ()
    environ["HTTP_COOKIE"] = op["header"].encode("utf-8").decode("latin-1")
    request = app.request_class(environ)
    value = request.cookies.get("session")
    result = {"found": value is not None, "value": value or ""}
    try:
        session = interface.open_session(app, request)
    except Exception as e:
        return {**result, "verdict": "error", "error": type(e).__name__}
    return {**result, "verdict": "session", "session": describe(dict(session))}


operations = {"dump": dump, "load": load, "sign": sign, "header": header}


def serve():
    with app.app_context():
        for line in sys.stdin:
            results = [operations[op["do"]](op) for op in json.loads(line)]
            print(json.dumps(results), flush=True)
