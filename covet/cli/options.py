"""Every option of `covet run`, in the order of --help."""

from typing import Any

import click

from covet import __version__
from covet.checks import ConfigError
from covet.cli.option import Texts
from covet.importer import START_FAILED
from covet.options import INTERFACES, LIFESPANS, LOG_LEVELS, LOOPS
from covet.process import ProcessError, load_env_file


def option(*names: str, **attributes: Any) -> dict[str, Any]:
    """One entry of the tables below; defaults are shown unless they are empty."""
    if attributes.get("default") not in (None, ""):
        attributes.setdefault("show_default", True)
    return {"names": names, **attributes}


def in_section(section: str, *options: dict[str, Any]) -> list[dict[str, Any]]:
    """Options under one heading."""
    return [{"section": section, **entry} for entry in options]


def load(context: click.Context, parameter: click.Parameter, path: str | None) -> str | None:
    """Loads the environment file before other options are looked up in the environment."""
    if path is not None:
        try:
            load_env_file(path)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
        except ProcessError as error:
            click.echo(f"Error: {error}", err=True)
            context.exit(START_FAILED)
    return path


DURATION = Texts("DURATION")
SIZE = Texts("SIZE")
TEXT = Texts("TEXT")

ENV_FILE = option(
    "--env-file",
    type=Texts("FILE"),
    is_eager=True,
    expose_value=False,
    callback=load,
    help="Set variables from a file first, those for covet included; needs python-dotenv.",
)
APP_DIR = option("--app-dir", type=Texts("DIR"), default=".", help="Folder to put at the front of the import path.")
FACTORY = option("--factory/--no-factory", default=False, help="APP is a function that returns the application.")
INTERFACE = option(
    "--interface", type=click.Choice([*INTERFACES, "asgi3"]), default="auto", help="What kind of application APP is."
)

APPLICATION = in_section(
    "Application",
    FACTORY,
    APP_DIR,
    ENV_FILE,
    INTERFACE,
    option("--lifespan", type=click.Choice(LIFESPANS), default="auto", help="Run an ASGI application's lifespan."),
    option("--root-path", type=Texts("PATH"), default="", help="Path under which a proxy publishes the application."),
    option("--threads", type=int, help="Blocking functions, or requests of a WSGI application, at a time."),
    option("--debug/--no-debug", default=None, help="500 answers show the traceback."),
)

ADDRESSES = in_section(
    "Addresses",
    option("--host", type=Texts("HOST"), default="127.0.0.1", help="Address or name to listen on."),
    option("--port", type=int, default=8000, help="TCP port; 0 takes a free one."),
    option("--uds", type=Texts("PATH"), help="Unix socket to listen on instead."),
    option("--uds-permissions", type=Texts("OCTAL"), help="Mode of unix sockets' files, such as 660."),
    option("--fd", type=int, help="Inherited listening socket to use instead."),
    option(
        "--bind",
        "-b",
        type=Texts("ADDRESS"),
        multiple=True,
        help="host:port, [ipv6]:port, unix:/path or fd://N instead; may be given several times.",
    ),
    option("--backlog", type=int, default=2048, help="Connections that may wait to be accepted."),
)

WORKERS = in_section(
    "Workers",
    option(
        "--workers",
        "-w",
        type=Texts("N|auto"),
        help="Worker processes; auto follows CPUs and load. Else WEB_CONCURRENCY or the application says how many.",
    ),
    option("--workers-min", type=int, help="Fewest workers of auto; one for each CPU by default."),
    option("--workers-max", type=int, help="Most workers of auto; one for each CPU by default."),
    option("--workers-lifetime", type=DURATION, help="Replace a worker after this time, such as 6h."),
    option("--workers-max-rss", type=SIZE, help="Replace a worker with so much memory: MiB, or such as 1GB."),
    option("--limit-max-requests", type=int, help="Replace a worker after so many requests."),
    option("--limit-max-requests-jitter", type=int, default=0, help="Up to so many more, at random."),
    option(
        "--timeout-worker-healthcheck",
        type=DURATION,
        help="Kill a worker whose event loop is blocked for so long; by default it is only reported.",
    ),
    option(
        "--pin-workers/--no-pin-workers",
        default=False,
        help="Each worker runs on one CPU; a single one with the engine's loop.",
    ),
    option("--control-socket", type=Texts("PATH"), help="Unix socket for covet status."),
    option("--pid-file", type=Texts("PATH"), help="File with the process's number."),
    option("--process-name", type=TEXT, help="What lists of processes call the server."),
)

RELOAD = in_section(
    "Reload",
    option("--reload/--no-reload", default=False, help="Start new workers when a file changes."),
    option(
        "--reload-dir", "reload_dirs", type=Texts("DIR", ":"), multiple=True, help="Folder to watch; several times."
    ),
    option("--reload-include", "reload_includes", type=Texts("PATTERN"), multiple=True, help="Watch these files too."),
    option("--reload-exclude", "reload_excludes", type=Texts("PATTERN"), multiple=True, help="Do not watch these."),
    option("--reload-delay", type=DURATION, default="0.25", help="Seconds between looks at the files."),
)

LOGS = in_section(
    "Logs",
    option("--log-level", type=click.Choice(LOG_LEVELS), default="info"),
    option("--log-config", type=Texts("FILE"), help="Logging configuration: .ini, .json or .yaml."),
    option("--access-log/--no-access-log", default=True, help="One line for each request."),
    option(
        "--access-log-fmt",
        type=Texts("FORMAT"),
        help="Format of that line: text with atoms such as %(status)s, or json.",
    ),
    option("--use-colors/--no-use-colors", default=None, help="Colour the names of log levels; else if on a terminal."),
)

PROTOCOL = in_section(
    "Requests and answers",
    option(
        "--proxy-headers/--no-proxy-headers",
        default=True,
        help="Take the client's address and scheme from X-Forwarded-For and -Proto.",
    ),
    option(
        "--forwarded-allow-ips",
        type=Texts("ADDRESSES"),
        help="Proxies that those count from, comma-separated, or *. Else FORWARDED_ALLOW_IPS or 127.0.0.1,::1.",
    ),
    option(
        "--header",
        "headers",
        type=Texts("NAME:VALUE", "\n"),
        multiple=True,
        help="Field for each answer; several times.",
    ),
    option("--server-header/--no-server-header", default=True, help="Answers have a Server field."),
    option("--date-header/--no-date-header", default=True, help="Answers have a Date field."),
    option("--max-body-size", type=SIZE, help="Largest request body, such as 100MB."),
    option(
        "--redirect-slashes/--no-redirect-slashes", default=None, help="Redirect a path with a slash too many or few."
    ),
)

LIMITS = in_section(
    "Limits",
    option("--limit-concurrency", type=int, help="Requests in work at a time; further ones get 503."),
    option("--worker-connections", type=int, help="Connections open at a time."),
    option("--max-exchanges", type=int, help="Requests in work at a time; further ones wait."),
    option("--backpressure", type=int, help="Requests that may wait; further ones get 503."),
    option("--timeout-keep-alive", type=DURATION, help="Seconds that an idle connection stays open."),
    option(
        "--timeout-graceful-shutdown",
        type=DURATION,
        default="10",
        help="Seconds that requests may take to finish when the server stops.",
    ),
    option("--request-timeout", type=DURATION, help="Seconds for one request, head and answer."),
    option("--header-timeout", type=DURATION, help="Seconds for a request's head to arrive."),
    option("--body-timeout", type=DURATION, help="Seconds that a body may make no progress."),
)

ENGINE = in_section(
    "Engine",
    option("--loop", type=click.Choice(LOOPS), default="auto", help="The workers' event loop."),
    option("--loop-count", type=int, default=1, help="The engine's loops, a thread each."),
    option("--connection-pool-size", type=int, help="Closed connections kept for reuse."),
    option("--request-buffer-size", type=SIZE, help="Largest request head, such as 64KB."),
    option("--response-buffer-size", type=SIZE, help="Output gathered for one connection."),
    option("--memory-pool-size", type=SIZE, help="Memory between engine and workers, such as 1GB."),
    option("--enable-io-uring/--no-enable-io-uring", default=None, help="io_uring where the kernel allows it."),
    option("--enable-simd/--no-enable-simd", default=None, help="Wide compares in the parser."),
    option("--enable-jit/--no-enable-jit", default=None, help="Code made at start-up for each route."),
)

WEBSOCKETS = in_section(
    "WebSockets",
    option("--ws-max-size", type=SIZE, help="Largest message, such as 16MB."),
    option("--ws-max-queue", type=int, help="Messages that may wait for a handler; then its client has to wait."),
    option("--ws-ping-interval", type=DURATION, help="Ping a client that has been quiet for so long."),
    option("--ws-ping-timeout", type=DURATION, help="Close the connection if it does not answer for so long."),
    option(
        "--ws-per-message-deflate",
        type=bool,
        metavar="BOOLEAN",
        help="Compress messages if the client can; true or false.",
    ),
    option(
        "--ws-context-takeover/--no-ws-context-takeover",
        default=None,
        help="Compressed messages may refer to earlier ones, which takes memory.",
    ),
    option(
        "--ws-origin",
        "ws_origins",
        type=Texts("ORIGIN", ","),
        multiple=True,
        help="Only pages of these origins may connect, such as https://example.com; several times.",
    ),
)

RUN_OPTIONS = [*APPLICATION, *ADDRESSES, *WORKERS, *RELOAD, *LOGS, *PROTOCOL, *LIMITS, *WEBSOCKETS, *ENGINE]

version = click.version_option(__version__, prog_name="covet", message="%(prog)s %(version)s")
