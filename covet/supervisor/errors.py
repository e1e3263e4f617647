"""What can keep a worker, or the server, from serving."""


class WorkerFailed(Exception):
    """A worker did not come to serve.

    Args:
        text: what happened, in one line.
        trace: the traceback of the application's error, or nothing.
        code: the exit code that is due if it was the server's first start.
    """

    def __init__(self, text: str, trace: str = "", code: int = 3) -> None:
        super().__init__(text)
        self.text = text
        self.trace = trace
        self.code = code


class StartFailed(Exception):
    """The server cannot start; the text says why.

    Args:
        text: what happened, in one line.
        code: the exit code.
    """

    def __init__(self, text: str, code: int = 3) -> None:
        super().__init__(text)
        self.code = code
