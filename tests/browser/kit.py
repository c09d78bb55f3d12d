"What the browser tests share: a server in a thread or a process, tabs that remember what went wrong, no network but loopback."
import importlib, importlib.util, json, os, re, shutil, socket, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest, uvicorn
from playwright.sync_api import expect, sync_playwright

here = Path(__file__).parent
npm_dir = Path(os.getenv('FASTHTML_WS_NPM') or here/'node_modules')
npm_line = 'npm install --no-audit --no-fund --ignore-scripts --prefix tests/browser'
chromium_line = 'apt-get install -y chromium'
packages = ('htmx.org', 'htmx4', 'htmx-ext-ws', 'idiomorph')
flags = '''--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync'''.split()
wait_s = float(os.getenv('FASTHTML_WS_WAIT', 5))  # Longest wait for a condition, seconds
expect.set_options(timeout=wait_s*1000)

# The attributes of the page's examples are the ones of htmx 2; htmx 4 takes them and says so, once per element.
allowed = [r'legacy attributes ws-connect and ws-send are deprecated']

# Marks elements and later tells which of them are still the very same nodes.
same_js = 'sels => sels.every(s => document.querySelector(s)?.wasHere)'
mark_js = 'sels => sels.forEach(s => document.querySelector(s).wasHere = true)'

# What an element holds, one string a node, without what htmx adds to it, blank text and comments.
nodes_js = r'''root => {
    const copy = root.cloneNode(true);
    for (const e of copy.querySelectorAll('*')) {
        e.classList.remove('htmx-added', 'htmx-settling', 'htmx-swapping');
        if (!e.className) e.removeAttribute('class');
        for (const a of ['data-htmx-powered', 'hx-ws-connect', 'hx-ws-send']) e.removeAttribute(a);
    }
    const html = n => n.nodeType == 3 ? n.data.trim().replaceAll('&', '&amp;').replaceAll('<', '&lt;') : n.nodeType == 1 ? n.outerHTML : '';
    return [...copy.childNodes].map(html).filter(s => s).map(s => s.replace(/\s*(<[^>]*>)\s*/g, '$1'));
}'''


def until(
    cond, # Called until it returns something true
    what='the condition', # Named in the failure
    seconds=wait_s, # Longest wait
):
    "Wait until `cond()` is true, and return what it returned"
    end = time.monotonic()+seconds
    while not (res := cond()):
        if time.monotonic()>end: pytest.fail(f'{what} did not come true in {seconds} s')
        time.sleep(0.005)
    return res


def chromium():
    "Path of the browser, or a skip that says how to get it"
    found = shutil.which('chromium') or shutil.which('chromium-browser')
    return found or pytest.skip(f'chromium is missing: {chromium_line}')


def npm_file(
    url:str, # Address on a CDN that serves npm packages
)->Path|None: # The same file in `npm_dir`; None if no installed package has it
    "Where the npm packages keep what `url` names, in exactly the version that it names"
    m = re.match(r'https://[^/]+/(?:npm/)?([\w.-]+)@([\w.-]+)/([^?#]+)', url)
    if not m: return None
    name, version, path = m.groups()
    for pkg in packages:
        meta = json.loads((npm_dir/pkg/'package.json').read_text())
        if (meta['name'], meta['version']) == (name, version): return npm_dir/pkg/path
    return None


def fulfil(route):
    "Answer a request that would leave the machine: from npm, else with an empty script or style"
    url = route.request.url
    file = npm_file(url)
    if file: return route.fulfill(body=file.read_text(), content_type='text/javascript')
    kind = {'script': 'text/javascript', 'stylesheet': 'text/css'}.get(route.request.resource_type, 'text/plain')
    wanted = any(o in url for o in ('htmx.org@', 'htmx-ext-ws@', 'idiomorph@'))
    route.fulfill(status=404 if wanted else 200, body='', content_type=kind)


def free_socket():
    "A listening socket on an ephemeral port of loopback"
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(('127.0.0.1', 0))
    return sock


class ThreadServer:
    "uvicorn with its own event loop in a thread of this process"
    def __init__(self, app, **kw):
        self.sock = free_socket()
        self.url = 'http://127.0.0.1:%d' % self.sock.getsockname()[1]
        conf = dict(lifespan='on', log_config=None, access_log=False, timeout_graceful_shutdown=2)
        self.server = uvicorn.Server(uvicorn.Config(app, **(conf|kw)))
        self.thread = threading.Thread(target=self.server.run, kwargs=dict(sockets=[self.sock]), daemon=True)
        self.thread.start()
        until(lambda: self.server.started or not self.thread.is_alive(), 'start of the server')
        if not self.server.started: pytest.fail('the server did not start; its log is above')

    def close(self):
        "Ask the server to stop, without waiting for it"
        self.server.should_exit = True

    def join(self):
        "Wait until the thread has ended"
        self.thread.join(wait_s)
        assert not self.thread.is_alive(), f'the server of {self.url} did not stop'


class ProcessServer:
    "A script that holds `app`, served by uvicorn in a process of its own"
    def __init__(self, script:Path,
        port:int=0, # 0 for a free one
        args=(), # More of uvicorn's
    ):
        if not port:
            with free_socket() as sock: port = sock.getsockname()[1]
        self.port = port
        self.url = f'http://127.0.0.1:{port}'
        cmd = [sys.executable, '-m', 'uvicorn', f'{script.stem}:app', '--host', '127.0.0.1', '--port', str(port),
               '--log-level', 'warning', *args]
        env = os.environ | dict(PYTHONPATH=os.pathsep.join([str(script.parent), str(here.parent.parent)]))
        self.proc = subprocess.Popen(cmd, cwd=script.parent, env=env)
        until(lambda: self.proc.poll() is not None or self.listens(port), 'start of the process')
        if self.proc.poll() is not None: pytest.fail(f'the process ended with {self.proc.returncode}')

    def listens(self, port):
        "True once a connection to `port` is taken"
        with socket.socket() as s: return s.connect_ex(('127.0.0.1', port))==0

    def close(self):
        "Ask the process to end"
        self.proc.terminate()

    def join(self):
        "Wait until the process has ended"
        try: self.proc.wait(wait_s)
        except subprocess.TimeoutExpired: self.proc.kill(); pytest.fail(f'the process of {self.url} did not stop')


class Tab:
    "A page in a context of its own, with what it complained about"
    def __init__(self, browser,
        ctx=None, # A context that is there already, instead of a new one
        **kw,
    ):
        self.dialogs, self.errors, self.console, self.sockets, self.closing = [], [], [], [], False
        self.ctx = ctx or browser.new_context(**kw)
        self.ctx.set_default_timeout(wait_s*1000)
        self.ctx.route(re.compile(r'^https?://(?!127\.0\.0\.1[:/])'), fulfil)
        self.ctx.on('dialog', self._dialog)
        self.ctx.on('weberror', lambda e: self.errors.append(str(e.error)))
        self.ctx.on('console', self._console)
        self.page = self.ctx.new_page()
        self.page.on('websocket', lambda ws: self.sockets.append(ws))

    def _dialog(self, d): self.dialogs.append(d.message); d.dismiss()

    def _console(self, m):
        if m.type in ('error', 'warning') and not self.closing: self.console.append(m.text)

    def goto(self, url):
        "Load `url`; what was said of the page before is forgotten"
        for o in (self.dialogs, self.errors, self.console, self.sockets): o.clear()
        self.page.goto(url)
        return self

    def __call__(self, sel): return self.page.locator(sel)

    def say(self, text, box='#msg'):
        "Type `text` into `box` and press Enter"
        self(box).fill(text)
        self(box).press('Enter')

    def mark(self, *sels): self.page.evaluate(mark_js, sels)
    def same(self, *sels): return self.page.evaluate(same_js, sels)
    def nodes(self, sel): return self(sel).evaluate(nodes_js)

    def watch(self, sel):
        "From now on remember every text that `sel` shows, in `window.seen`"
        self.page.evaluate('''sel => {
            const look = () => { const t = document.querySelector(sel)?.innerText; if (t != seen.at(-1)) seen.push(t) };
            window.seen = []; look();
            new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
        }''', sel)

    def shows(self, text,
        sel='#out', # Where
    ):
        "Wait until `sel` shows `text` among other things"
        expect(self(sel)).to_contain_text(text)

    def text(self, sel): return ' '.join(self(sel).inner_text().split())

    def wait(self, js, arg=None): return self.page.wait_for_function(js, arg=arg)

    def close(self):
        "Close the tab; what it says on its way out (of a socket that was still opening, say) does not count"
        self.closing = True
        self.ctx.close()

    def trouble(self, allow=()):
        "What this tab complained about, what `allow` matches left out"
        fine = re.compile('|'.join([*allowed, *allow]))
        return [*self.errors, *(f'dialog: {d}' for d in self.dialogs), *(c for c in self.console if not fine.search(c))]


class Window:
    """A browser of its own with one tab, in a window that can be hidden.

    In Playwright's contexts every page is visible and has the focus, whatever is done to its window; that is only left out for
    a browser's default context, and when Playwright did not start that browser."""
    def __init__(self, play):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cmd = [chromium(), *flags, '--headless', '--remote-debugging-port=0', f'--user-data-dir={self.folder.name}', 'about:blank']
        port = Path(self.folder.name, 'DevToolsActivePort')
        self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: port.exists() and port.read_text().strip(), 'start of the browser', 30)
            self.browser = play.chromium.connect_over_cdp('http://127.0.0.1:'+port.read_text().split()[0], no_defaults=True)
            self.tab = Tab(self.browser, self.browser.contexts[0])
            self.cdp = self.tab.ctx.new_cdp_session(self.tab.page)
        except BaseException: self.close(); raise

    def hide(self,
        yes:bool=True, # Show it again if False
    ):
        "Minimize the window, and wait until the page knows"
        window = self.cdp.send('Browser.getWindowForTarget')['windowId']
        self.cdp.send('Browser.setWindowBounds', dict(windowId=window, bounds=dict(windowState='minimized' if yes else 'normal')))
        self.tab.page.wait_for_function('yes => document.hidden == yes', arg=yes, polling=50)

    def close(self):
        "End the browser"
        self.proc.terminate()
        try: self.proc.wait(5)
        except subprocess.TimeoutExpired: self.proc.kill(); self.proc.wait()
        self.folder.cleanup()

    def __enter__(self): return self
    def __exit__(self, *exc): self.close()


class Chrome:
    """The browser, in a thread of its own: Playwright's sync API keeps an event loop running in the thread that
    uses it, where other tests could not call `asyncio.run` any more"""
    def __init__(self):
        exe = chromium()
        missing = [p for p in packages if not (npm_dir/p/'package.json').exists()]
        if missing: pytest.skip(f'npm packages are missing ({", ".join(missing)}): {npm_line}')
        self.pool = ThreadPoolExecutor(1, 'browser')
        self.leaving, self.shared, self.idle = [], {}, [] # idle: tabs that nobody uses, at about:blank
        self.run(self._start, exe)

    def _start(self, exe):
        self.play = sync_playwright().start()
        self.browser = self.play.chromium.launch(executable_path=exe, args=flags)

    def _stop(self):
        for web in self.shared.values(): web.close()
        self.browser.close(); self.play.stop()

    def run(self, f, *args, **kw): return self.pool.submit(f, *args, **kw).result()

    def close(self):
        self.run(self._stop)
        self.pool.shutdown()
        for o in self.leaving: o.join()


class Web:
    "What one test has: apps of the library under test, servers, tabs"
    def __init__(self, chrome, htmx, stock, folder):
        self.chrome, self.htmx, self.stock, self.folder = chrome, htmx, stock, folder
        self.tabs, self.guests, self.servers, self.allow, self.named = [], [], [], [], {}

    @property
    def lib(self):
        "Name of the module that the apps take everything from"
        return 'fasthtml.common' if self.stock else 'fasthtml_ws.common'

    def app(self, **kw):
        "An app of the library under test, for the htmx of this test"
        kw = dict(exts='ws', secret_key='not-a-secret') | (dict(htmx4=True) if self.htmx==4 else {}) | kw
        return importlib.import_module(self.lib).FastHTML(**kw)

    def script(self, code):
        "`code` as a file, with the import line and the htmx of this test"
        self.count = getattr(self, 'count', 0)+1
        path = self.folder/f'example_{self.count}.py'
        code = re.sub(r'\bfasthtml\.common\b', self.lib, code)
        if self.htmx==4: code = code.replace("exts='ws'", "exts='ws', htmx4=True")
        path.write_text(code)
        return path

    def module(self, code):
        "`code` imported as a module, as on the page but for the import line"
        path = self.script(code)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        mod = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(mod)
        return mod

    def serve(self, app, **kw):
        "Serve `app` (or a script, in a process of its own) and return its address"
        self.servers.append(ProcessServer(app, **kw) if isinstance(app, Path) else ThreadServer(app, **kw))
        return self.servers[-1].url

    def tab(self, url, **kw):
        "A new tab in a new context, at `url`"
        self.tabs.append(Tab(self.chrome.browser, **kw))
        return self.tabs[-1].goto(url)

    def shared(self, name, make_app, who='ann'):
        "The tab of `who` that all tests share that ask for `name`, its page just loaded; `make_app` is called once"
        web = self.chrome.shared.get((name, self.htmx))
        if not web:
            web = self.chrome.shared[name, self.htmx] = Web(self.chrome, self.htmx, self.stock, self.folder)
            web.serve(make_app(web))
        if who not in web.named: web.named[who] = web.tab('about:blank')
        self.guests.append(web.named[who])
        return web.named[who].goto(web.servers[0].url)

    def check(self):
        "Fail if a tab complained about something that the test did not allow"
        trouble = [o for t in self.tabs+self.guests for o in t.trouble(self.allow)]
        assert not trouble, f'the browser complained: {trouble}'

    def close(self):
        for t in self.tabs: t.close()
        for s in self.servers: s.close()
        self.chrome.leaving += self.servers
