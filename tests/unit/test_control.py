import os
import socket

import pytest

from covet.control import Attach, Drain, Failed, Hello, Link, NoMessage, Ready, ToSupervisor, ToWorker


def pair() -> tuple[Link, Link]:
    """The supervisor's and the worker's end."""
    ours, theirs = socket.socketpair()
    return Link(ours, ToSupervisor), Link(theirs, ToWorker)


def test_messages_arrive_in_order() -> None:
    ours, theirs = pair()
    theirs.send(Hello({"routes": []}))
    theirs.send(Ready())
    theirs.send(Failed(3, "no", "trace\nof it"))
    assert ours.receive() == [Hello({"routes": []}), Ready(), Failed(3, "no", "trace\nof it")]
    assert ours.receive() == []
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive(wait=True)
    theirs.close()


def test_descriptors_come_with_their_message() -> None:
    ours, theirs = pair()
    reading, writing = os.pipe()
    ours.send(Drain(1.5))
    ours.send(Attach(3), [writing])
    os.close(writing)
    assert theirs.receive() == [Drain(1.5), Attach(3)]
    (received,) = theirs.descriptors
    assert not os.get_inheritable(received)
    os.write(received, b"through")
    assert os.read(reading, 10) == b"through"
    theirs.close()
    assert os.read(reading, 10) == b"", "the link closes the descriptors that nobody took"
    os.close(reading)
    ours.close()


def test_a_large_message_comes_whole() -> None:
    import threading

    ours, theirs = pair()
    hello = Hello({"routes": [{"path": "/" + "x" * 1000}] * 2000})
    sender = threading.Thread(target=theirs.send, args=(hello,))
    sender.start()
    assert ours.receive(wait=True) == [hello]
    sender.join()
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"\xff\n", b"5\n", b'["Drain", {"limit": 1}]\n', b'["Failed", {}]\n', b'[["Ready"], {}]\n']
)
def test_what_is_no_message_of_the_other_end_is_refused(line: bytes) -> None:
    one, other = socket.socketpair()
    link = Link(one, ToSupervisor)
    other.sendall(line)
    with pytest.raises(NoMessage):
        link.receive()
    link.close()
    other.close()
