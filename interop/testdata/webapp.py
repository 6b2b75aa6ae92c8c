"""A Flask application with the same routes as the Go one beside it."""

import json
import logging
import os
import sys
import threading

from flask import Flask, flash, get_flashed_messages, jsonify, render_template_string, request, session
from markupsafe import Markup
from werkzeug.serving import make_server

from annotate import build, describe

PAGE = """<p>{{ name or "nobody" }}</p><p>{{ language }}</p><ul>{% for i in cart %}<li>{{ i }}</li>{% endfor %}</ul>"""
MESSAGES = """<ul>{% for category, message in messages %}<li class="{{ category }}">{{ message }}</li>{% endfor %}</ul>"""

app = Flask(__name__)


@app.get("/")
def page():
    return render_template_string(
        PAGE, name=session.get("_user_id"), language=session.get("language", "en"), cart=session.get("cart", [])
    )


@app.get("/plain")
def plain():
    return "does not look at the session"


@app.get("/show")
def show():
    return jsonify(describe(dict(session)))


@app.post("/set/<name>")
def set_field(name):
    session[name] = build(request.get_json())
    return "ok"


@app.post("/delete/<name>")
def delete_field(name):
    session.pop(name, None)
    return "ok"


@app.post("/clear")
def clear():
    session.clear()
    return "ok"


@app.post("/restart/<language>")
def restart(language):
    session.clear()
    session["language"] = language
    return "ok"


@app.post("/language/<language>")
def set_language(language):
    session["language"] = language
    return "ok"


@app.post("/permanent/<int:on>")
def permanent(on):
    session.permanent = bool(on)
    return "ok"


@app.post("/cart/add/<item>")
def cart_add(item):
    session["cart"] = session.get("cart", []) + [item]
    return "ok"


@app.post("/cart/remove/<item>")
def cart_remove(item):
    session["cart"] = [i for i in session.get("cart", []) if i != item]
    return "ok"


@app.post("/flash/<category>")
def flash_text(category):
    flash(request.get_data(as_text=True), category)
    return "ok"


@app.post("/flash/<category>/markup")
def flash_markup(category):
    flash(Markup(request.get_data(as_text=True)), category)
    return "ok"


@app.get("/messages")
def messages():
    return render_template_string(MESSAGES, messages=get_flashed_messages(with_categories=True))


def sign_in_by_hand():
    """Sign-in as hand-made logins do it."""

    @app.post("/login/<name>")
    def login(name):
        session["_user_id"] = name
        return "ok"

    @app.post("/logout")
    def logout():
        session.pop("_user_id", None)
        return "ok"

    @app.get("/private")
    def private():
        name = session.get("_user_id")
        return ("for " + name, 200) if name else ("sign in first", 401)


def sign_in_by_flask_login():
    import flask_login

    class User(flask_login.UserMixin):
        def __init__(self, name):
            self.id = name

    manager = flask_login.LoginManager(app)
    manager.user_loader(User)

    @app.post("/login/<name>")
    def login(name):
        flask_login.login_user(User(name))
        return "ok"

    @app.post("/logout")
    def logout():
        flask_login.logout_user()
        return "ok"

    @app.get("/private")
    @flask_login.login_required
    def private():
        return "for " + flask_login.current_user.id


def end_with_parent():
    """Ends this process when its standard input does: no test leaves one behind."""
    sys.stdin.read()
    os._exit(0)


def serve():
    config = json.loads(sys.stdin.readline())
    app.config.update(config["config"])
    if config["login"]:
        sign_in_by_flask_login()
    else:
        sign_in_by_hand()
    if config.get("ask"):
        exec(config["ask"], globals())  # what docs/flask.md gives to a site
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()
