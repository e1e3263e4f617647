"""Pages in a real browser: the documentation, and what a page does with events and WebSockets."""

# mypy: disable-error-code="import-not-found, import-untyped"
from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from covet import CovetPy, HTMLResponse
from covet.responses import EventSourceResponse
from covet.sse import ServerSentEvent
from covet.testing import LiveServer
from covet.websockets import WebSocket, WebSocketDisconnect

webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = [
    pytest.mark.skipif(shutil.which("chromedriver") is None, reason="chromium-driver is not installed"),
    pytest.mark.timeout(180),
]

SECONDS = 40

app = CovetPy(title="Shop")


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "q": q, "from": "the server"}


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[ServerSentEvent]:
    for number in range(3):
        yield ServerSentEvent(data={"number": number}, event="count", id=str(number))


@app.get("/events-page")
async def events_page() -> HTMLResponse:
    return HTMLResponse(
        """<p id=seen></p><script>
        const source = new EventSource("/events");
        source.addEventListener("count", (event) => {
          document.getElementById("seen").textContent += JSON.parse(event.data).number + ",";
          if (event.lastEventId === "2") { source.close(); document.title = "done"; }
        });
        </script>"""
    )


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())
    except WebSocketDisconnect:
        pass


@app.get("/socket-page")
async def socket_page() -> HTMLResponse:
    return HTMLResponse(
        """<p id=seen></p><script>
        const socket = new WebSocket("ws://" + location.host + "/echo");
        socket.onopen = () => socket.send("hello " + "x".repeat(100000));
        socket.onmessage = (event) => {
          document.getElementById("seen").textContent = event.data.slice(0, 7) + event.data.length;
          socket.close(1000, "enough");
        };
        socket.onclose = (event) => { document.title = "closed " + event.code + " " + event.wasClean; };
        </script>"""
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with LiveServer(app) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(SECONDS)
    yield driver
    driver.quit()


def until(browser: Any, found: Any) -> Any:
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, SECONDS).until(found)


def css(browser: Any, selector: str) -> Any:
    from selenium.webdriver.common.by import By

    return until(browser, lambda driver: next(iter(driver.find_elements(By.CSS_SELECTOR, selector)), None))


def complaints(browser: Any) -> list[str]:
    """What the page could not load, or failed in."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def click(browser: Any, selector: str) -> None:
    browser.execute_script("arguments[0].click()", css(browser, selector))


def test_a_request_from_swagger_ui(browser: Any, url: str) -> None:
    browser.get(f"{url}/docs")
    assert browser.title == "Shop - Swagger UI"
    click(browser, "#operations-default-item_items__item_id__get .opblock-summary-control")
    click(browser, ".try-out__btn")
    css(browser, "tr[data-param-name=item_id] input").send_keys("42")

    def answer(driver: Any) -> str:
        # The page takes a moment to take what was typed.
        click(driver, ".btn.execute")
        text: str = css(driver, ".responses-wrapper").text
        return text if "the server" in text else ""

    assert '"item_id": 42' in until(browser, answer)
    assert complaints(browser) == []


def test_redoc(browser: Any, url: str) -> None:
    browser.get(f"{url}/redoc")
    heading = css(browser, "h1")
    until(browser, lambda _: "Shop" in heading.text)
    assert complaints(browser) == []


def test_scalar(browser: Any, url: str) -> None:
    browser.get(f"{url}/scalar")
    until(browser, lambda driver: "/items/{item_id}" in css(driver, "body").text)
    assert complaints(browser) == []


def test_events(browser: Any, url: str) -> None:
    browser.get(f"{url}/events-page")
    until(browser, lambda driver: driver.title == "done")
    assert css(browser, "#seen").text == "0,1,2,"


def test_a_websocket(browser: Any, url: str) -> None:
    browser.get(f"{url}/socket-page")
    until(browser, lambda driver: driver.title.startswith("closed"))
    assert browser.title == "closed 1000 true"
    assert css(browser, "#seen").text == "HELLO X100006"
