"""The guest book: entries in PostgreSQL, visits counted in Redis."""

import os

import flask
import psycopg
import redis


def connect():
    """Connects to the database, which is ready: vagga.yaml says `after: [postgres, redis]`."""
    return psycopg.connect(os.environ["DATABASE"], autocommit=True)


def create_app():
    app = flask.Flask(__name__)
    counters = redis.Redis.from_url(os.environ["REDIS"])
    with connect() as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS entry (id serial PRIMARY KEY, author text NOT NULL,"
            " said text NOT NULL, at timestamptz NOT NULL DEFAULT now())"
        )

    @app.get("/")
    def index():
        with connect() as db:
            entries = db.execute("SELECT author, said, at FROM entry ORDER BY id DESC LIMIT 50").fetchall()
        return flask.render_template("index.html", entries=entries, visits=counters.incr("visits"))

    @app.post("/")
    def sign():
        author = flask.request.form.get("author", "").strip()
        said = flask.request.form.get("said", "").strip()
        if not author or not said:
            return "author and said must not be empty", 400
        with connect() as db:
            db.execute("INSERT INTO entry (author, said) VALUES (%s, %s)", (author[:100], said[:1000]))
        return flask.redirect("/")

    return app
