"""Drives Debian's chromium over the DevTools protocol on a pair of pipes, with
mouse and keyboard as a person has them. Standard library only."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
# Finds what a person would call by that text: the smallest thing of its kind
# that can be seen. Labels lead to their inputs.
FIND = """((kind, text) => {
  const seen = (e) => e.checkVisibility() && e.getClientRects().length > 0;
  const name = (e) => (e.getAttribute("aria-label") ?? e.textContent).replace(/\\s+/g, " ").trim();
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
  const all = [...(dialog ?? document).querySelectorAll(kind)].filter((e) => name(e) === text);
  const label = kind === "label" && all.find((e) => e.control);
  return label ? label.control : all.find(seen);
})"""


class Failed(AssertionError):
    pass


class Browser:
    """One browser with a profile of its own; a context manager."""

    def __init__(self, camera=None):
        """camera: a JPEG file that the webcam shows."""
        self.dir = tempfile.mkdtemp(prefix="facegate-web-")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--disable-background-networking", "--disable-component-update",
                   "--disable-extensions", "--no-first-run", "--lang=en-GB", "--hide-scrollbars",
                   "--remote-debugging-pipe", f"--user-data-dir={self.dir}/profile"]
        if camera:
            with open(camera, "rb") as f:
                frame = f.read()
            with open(f"{self.dir}/camera.mjpeg", "wb") as f:
                f.write(frame * 10)
            options += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                        f"--use-file-for-fake-video-capture={self.dir}/camera.mjpeg"]
        their_in, self.out = os.pipe()
        self.inp, their_out = os.pipe()

        def put_in_place():  # the protocol has descriptors 3 and 4
            a, b = os.dup(their_in), os.dup(their_out)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, *options, "about:blank"], pass_fds=(3, 4), preexec_fn=put_in_place,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.dir, "TZ": "UTC"})
        os.close(their_in)
        os.close(their_out)
        self.numbers = itertools.count(1)
        self.buffer = b""
        self.pages = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=120)
        os.close(self.out)
        os.close(self.inp)
        shutil.rmtree(self.dir, ignore_errors=True)

    def read(self, until):
        """The next message, or None when there is none in time."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.inp], [], [], max(0, until - time.monotonic()))
            if not ready:
                return None
            part = os.read(self.inp, 1 << 20)
            if not part:
                raise Failed("the browser is gone")
            self.buffer += part
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, session=None, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + 120
        while (answer := self.read(until)) is not None:
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("sessionId") in self.pages:
                self.pages[answer["sessionId"]].note(answer)
        raise Failed(f"{method}: no answer")

    def page(self, width=1200, height=800, phone=False, scheme="light", downloads=None):
        context = self.call("Target.createBrowserContext")["browserContextId"]
        if downloads:
            self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=downloads,
                      browserContextId=context)
        target = self.call("Target.createTarget", url="about:blank",
                           browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=phone)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        return page


class Page:
    """A tab with cookies and storage of its own."""

    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.complaints = []  # of the console, from warnings on
        self.asked = []       # every address that was asked for

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def note(self, message):
        params = message["params"]
        if message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif message["method"] == "Runtime.consoleAPICalled":
            if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(params)
        elif message["method"] == "Log.entryAdded":
            if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"])
        elif message["method"] == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def evaluate(self, script, by_value=True):
        done = self.call("Runtime.evaluate", expression=script, returnByValue=by_value,
                         awaitPromise=True)
        if "exceptionDetails" in done:
            raise Failed(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value") if by_value else done["result"].get("objectId")

    def wait(self, script, seconds=60):
        """Polls until the script gives something true, and gives that."""
        until = time.monotonic() + seconds
        while True:
            value = self.evaluate(script)
            if value:
                return value
            if time.monotonic() > until:
                raise Failed(f"never came true: {script}\n{self.text()}\n{self.complaints}")
            time.sleep(0.1)

    def text(self, kind="body"):
        return self.evaluate(f"document.querySelector({json.dumps(kind)})?.innerText ?? ''")

    def wait_text(self, text, kind="body", seconds=60):
        self.wait(f"[...document.querySelectorAll({json.dumps(kind)})]"
                  f".some((e) => e.innerText.includes({json.dumps(text)}))", seconds)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.ready()

    def ready(self):
        """The page has drawn what it first asked for."""
        self.wait("document.querySelector('main h1') && !document.querySelector('.page[aria-busy]')")

    def click(self, kind, text):
        find = f"{FIND}({json.dumps(kind)}, {json.dumps(text)})"
        # Where the middle is, once nothing else lies over it and it can be used.
        x, y = self.wait(f"""(() => {{
          const e = {find};
          if (!e || e.disabled) return null;
          e.scrollIntoView({{ block: "center", behavior: "instant" }});
          const box = e.getBoundingClientRect();
          const at = [box.x + box.width / 2, box.y + box.height / 2];
          const top = document.elementFromPoint(...at);
          return e === top || e.contains(top) || top?.contains(e) ? at : null;
        }})()""")
        for kind_of in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind_of, x=x, y=y, clickCount=1,
                      button="none" if kind_of == "mouseMoved" else "left")

    def press(self, key, code=0, modifiers=0):
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers,
                      windowsVirtualKeyCode=code)
        if key == "Enter":
            self.call("Input.dispatchKeyEvent", type="char", text="\r")

    def fill(self, label, text):
        """Types into the input with this label, in the place of what is there."""
        self.click("label", label)
        self.evaluate("document.activeElement.select()")
        if text:
            self.call("Input.insertText", text=text)
        else:
            self.press("Delete", 46)

    def choose(self, label, value):
        """Chooses of a list; the list itself is the system's, beyond the page."""
        self.evaluate(f"""(() => {{
          const list = {FIND}("label", {json.dumps(label)});
          list.value = {json.dumps(value)};
          list.dispatchEvent(new Event("change", {{ bubbles: true }}));
        }})()""")

    def put_files(self, *paths):
        found = self.evaluate("document.querySelector('input[type=file]')", by_value=False)
        self.call("DOM.setFileInputFiles", files=list(paths), objectId=found)

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
