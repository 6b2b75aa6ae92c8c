"""Values as JSON that says their types, so that two languages can compare them.

A value is an object with its type's name: {"type": "tuple", "items": [...]}.
It is the form of the root module's testdata/flask-cookies.json.
"""

import base64
import struct
import uuid
from datetime import datetime, timezone

from markupsafe import Markup


def text(s):
    """A str; one with lone surrogates, which JSON cannot carry safely, as hex."""
    try:
        s.encode("utf-8")
        return s
    except UnicodeEncodeError:
        return {"utf16be_hex": s.encode("utf-16-be", "surrogatepass").hex()}


def untext(s):
    if isinstance(s, dict):
        return bytes.fromhex(s["utf16be_hex"]).decode("utf-16-be", "surrogatepass")
    return s


def describe(v):
    """The annotated form of a value. Classes are compared exactly: a subclass is another type."""
    if v is None:
        return {"type": "null"}
    if type(v) is bool:
        return {"type": "bool", "value": v}
    if type(v) is int:
        return {"type": "int", "value": str(v)}
    if type(v) is float:  # all not-a-numbers are one
        bits = "nan" if v != v else struct.pack(">d", v).hex()
        return {"type": "float", "bits": bits}
    if type(v) is str:
        return {"type": "str", "value": text(v)}
    if type(v) is Markup:
        return {"type": "markup", "value": text(str(v))}
    if type(v) is bytes:
        return {"type": "bytes", "base64": base64.b64encode(v).decode()}
    if type(v) is uuid.UUID:
        return {"type": "uuid", "value": str(v)}
    if type(v) is datetime and v.tzinfo is not None:
        v = v.astimezone(timezone.utc)
        date = "%04d-%02d-%02dT%02d:%02d:%02d" % v.timetuple()[:6]
        return {"type": "datetime", "utc": date + (".%06d" % v.microsecond if v.microsecond else "") + "Z"}
    if type(v) in (list, tuple):
        return {"type": type(v).__name__, "items": [describe(i) for i in v]}
    if type(v) is dict:
        return {"type": "dict", "items": [[text(k), describe(i)] for k, i in v.items()]}
    return {"type": "%s.%s" % (type(v).__module__, type(v).__qualname__), "value": repr(v)}


def build(d):
    """The value that an annotated form stands for."""
    kind, items = d["type"], d.get("items", ())
    if kind == "null":
        return None
    if kind == "bool":
        return d["value"]
    if kind == "int":
        return int(d["value"])
    if kind == "float":
        return float("nan") if d["bits"] == "nan" else struct.unpack(">d", bytes.fromhex(d["bits"]))[0]
    if kind == "str":
        return untext(d["value"])
    if kind == "markup":
        return Markup(untext(d["value"]))
    if kind == "bytes":
        return base64.b64decode(d["base64"], validate=True)
    if kind == "uuid":
        return uuid.UUID(d["value"])
    if kind == "datetime":
        return datetime.fromisoformat(d["utc"].replace("Z", "+00:00"))
    if kind == "list":
        return [build(i) for i in items]
    if kind == "tuple":
        return tuple(build(i) for i in items)
    if kind == "dict":
        return {untext(k): build(i) for k, i in items}
    raise ValueError("unknown type " + kind)
