"""`covet.run`: serves an application, with a worker in this process or with several of their own."""

import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from covet import log
from covet.binds import NoSocket, forget_inherited, prepare_inherited
from covet.checks import ConfigError
from covet.given import read
from covet.importer import START_FAILED, load_app
from covet.interfaces import NotAnApplication, adapt
from covet.options import ServeOptions
from covet.process import ProcessError, load_env_file, pid_file, set_name

if TYPE_CHECKING:
    from typing import Unpack

    from covet.interfaces import Application
    from covet.run_options import RunOptions

logger = logging.getLogger("covet.error")

ENGINE_FAILED = 1
NEEDS_A_NAME = "You must pass the application as an import string to enable 'reload' or 'workers'."


def run(app: Any, **options: "Unpack[RunOptions]") -> None:
    """Serves an application until SIGINT or SIGTERM.

    Args:
        app: the application (CovetPy, ASGI 3 or WSGI), or its name such as "main:app". Several workers, reload and
            what replaces workers need the name.
        options: the options of `covet run`, under uvicorn's names (docs/cli.md has them all), and the settings of
            `CovetPy(...)`, instead of the application's own.

    Raises:
        TypeError: there is no option of a name.
        ConfigError: an option or setting cannot be used.
        SystemExit: with code 3 if the server could not start, 1 if the engine has failed later; the log says why.
    """
    serve(app, options, several=None)


def serve(
    app: Any,
    given: Mapping[str, Any],
    *,
    several: Callable[[int | str], None] | None,
    warnings: Sequence[str] = (),
) -> None:
    """As `run`.

    Args:
        app: the application, or its name.
        given: the options.
        several: called if it is the imported application that wants workers, with their number.
        warnings: lines for the log, once it is certain that this process serves.
    """
    if given.get("env_file") is not None:
        _or_exit(lambda: load_env_file(os.fspath(given["env_file"])))
    environment = dict(os.environ)
    if not isinstance(app, str):
        environment.pop("WEB_CONCURRENCY", None)  # it is for those who can have several
    options, settings = read(given, environment=environment)
    _or_exit(lambda: log.configure(options.log_level, use_colors=options.use_colors, config=options.log_config))
    _or_exit(lambda: prepare_inherited(options.binds, options.backlog))
    if options.access_log and not log.access_wanted():
        options = replace(options, access_log=False)
    if not isinstance(app, str):
        if options.supervised or (options.workers is None and servable(app, options).settings.workers != 1):
            raise ConfigError(NEEDS_A_NAME)
        _serve_here(app, options, settings)
        return
    if options.supervised and (options.workers is not None or options.reload):
        _warn(warnings)
        _supervise(app, options, settings, alone=several is not None)
        return
    application = load_app(app, app_dir=options.app_dir, factory=options.factory)
    wanted = options.workers or servable(application, options).settings.workers
    if wanted == 1 and not options.supervised:
        _warn(warnings)
        _serve_here(application, options, settings)
        return
    if several is not None:
        several(wanted)
    _supervise(app, replace(options, workers=wanted), settings)


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        logger.warning("%s", line)


def servable(app: object, options: ServeOptions) -> "Application":
    """What serves an application; ends the process if nothing does."""
    try:
        return adapt(app, options)
    except NotAnApplication as error:
        makes_it = isinstance(app, FunctionType) and not inspect.signature(app).parameters
        advice = " If it returns the application, add --factory." if makes_it else ""
        logger.error("Error loading the application. %s%s", error, advice)
        sys.exit(START_FAILED)


def _serve_here(app: object, options: ServeOptions, settings: Mapping[str, Any]) -> None:
    from covet.eventloop import loop_factory
    from covet.mainloop import run_server
    from covet.server import EngineFailed, Server, StartFailed

    forget_inherited()
    new_loop = loop_factory(options.loop)
    own = servable(app, options).settings
    server = Server(app, options, replace(own, **{**settings, "workers": 1}))
    if options.process_name is not None:
        set_name(options.process_name)

    def run_it() -> None:
        with pid_file(options.pid_file):
            run_server(server, new_loop)

    try:
        _or_exit(run_it)
    except StartFailed:
        sys.exit(START_FAILED)
    except EngineFailed:
        sys.exit(ENGINE_FAILED)


def _supervise(app: str, options: ServeOptions, settings: Mapping[str, Any], *, alone: bool = False) -> None:
    from covet.supervisor import supervise
    from covet.supervisor.options import options_for

    if code := supervise(options_for(app, options, settings), alone=alone):
        sys.exit(code)


def _or_exit(function: Callable[[], None]) -> None:
    """Calls a function; ends the process with a log line if a file is in the way."""
    try:
        function()
    except (ProcessError, NoSocket, log.LogConfigError) as error:
        if not logging.getLogger("covet").handlers:
            log.configure("info")
        logger.error("%s", error)
        sys.exit(START_FAILED)
