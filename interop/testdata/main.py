"""The Flask side of the tests: `main.py codec` or `main.py web`.

The first line that it prints says what it is: versions, and whether this Flask
knows SECRET_KEY_FALLBACKS (3.1.0 does, but signs with the wrong key).
"""

import json
import sys
from importlib import metadata


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


flask = version("flask")
hello = {
    "python": sys.version.split()[0],
    "flask": flask,
    "werkzeug": version("werkzeug"),
    "flask_login": version("flask-login"),
    "fallbacks": [int(n) for n in flask.split(".")[:3] if n.isdigit()] >= [3, 1, 1],
}
print(json.dumps(hello), flush=True)

if sys.argv[1] == "codec":
    import codec

    codec.serve()
else:
    import webapp

    webapp.serve()
