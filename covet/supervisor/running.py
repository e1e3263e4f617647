"""Runs a supervisor on an event loop of its own."""

import asyncio
import logging

from covet import accesslog, log
from covet.binds import forget_inherited
from covet.checks import ConfigError
from covet.engine import Engine
from covet.process import ProcessError, pid_file, set_name
from covet.supervisor.options import SupervisorOptions
from covet.supervisor.supervisor import Supervisor

logger = logging.getLogger("covet.error")

USAGE_ERROR = 2
START_FAILED = 3


def run(options: SupervisorOptions) -> int:
    """Serves until SIGINT or SIGTERM, and returns the exit code."""
    serve = options.serve
    try:
        log.configure(serve.log_level, use_colors=serve.use_colors, config=serve.log_config)
        with pid_file(serve.pid_file):
            forget_inherited()
            if serve.process_name is not None:
                set_name(serve.process_name)
            return asyncio.run(_supervise(options))
    except ConfigError as error:
        logger.error("%s", error)
        return USAGE_ERROR
    except (ProcessError, log.LogConfigError) as error:
        logger.error("%s", error)
        return START_FAILED


async def _supervise(options: SupervisorOptions) -> int:
    with accesslog.routed(options.serve) as extra:
        return await Supervisor(options, lambda config: Engine({**config, **extra})).run()
