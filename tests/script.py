"""A client that does by hand what the client script does: it names itself, numbers what it sends, keeps it, and sends it again.

It never reads on its own, and never connects on its own: a test says when.
"""
import json, re, secrets, socket, urllib.parse

from tests.kit import Client, Closed

__all__ = ['Script', 'post']

_said = re.compile(r'<!--ws( \{.*\})?-->', re.S)
_position = re.compile(r'<!--ws (\d+(?:-\d+)?)-->\Z')


class Script:
    "One owner element of one page, across its connections"
    def __init__(self, web, path:str='/ws', headers:dict|None=None, id:str|None=None):
        self.web,self.path,self.headers,self.id = web,path,headers,id or secrets.token_urlsafe(16)
        self.kept,self.n,self.acked,self.position,self.cursor = {},0,0,'',''
        self.hello,self.told,self.html,self.beats,self.c = None,[],[],0,None

    def open(self, resend:bool=True, **kw)->'Script':
        "Connect, wait for the hello, and send again what was not acknowledged"
        at = urllib.parse.quote(f'{self.id}~{self.position}~{self.cursor}', safe='~')
        path = f'{self.path}{"&" if "?" in self.path else "?"}ws-at={at}'
        self.c = self.web.connect(path, headers=self.headers, **kw) if self.web else Client(kw.pop('port'), path, headers=self.headers, **kw)
        self.hello = None
        while not self.hello: self.read()
        if resend:
            for n,text in sorted(self.kept.items()): self.put(n, text)
        return self

    def put(self, n, text:str):
        "One frame as it is"
        self.c.send(f'{n} {text}')

    def say(self, **fields)->int:
        "Send a message now if there is a connection, and keep it"
        self.n += 1
        self.kept[self.n] = json.dumps(fields)
        if self.c: self.put(self.n, self.kept[self.n])
        return self.n

    def read(self)->dict|None: # What the server says to the script; None if it was HTML or a heartbeat
        "Take the next frame"
        text = self.c.recv()
        if not (m := _said.fullmatch(text)):
            if m := _position.search(text): self.position,text = m[1],text[:m.start()]
            self.html.append(text.strip())
            return None
        if not m[1]: self.beats += 1; return None
        said = json.loads(m[1])
        self.told.append(said)
        if 'hello' in said: self.hello = said
        self.acked = max(self.acked, said.get('ack', 0), said.get('acked', 0))
        self.cursor = said.get('cursor', self.cursor)
        for n in [n for n in self.kept if n<=self.acked]: del self.kept[n]
        return said

    def until(self, key:str):
        "What the server says next under `key`"
        while True:
            if (said := self.read()) and key in said: return said[key]

    def acks(self, n:int)->'Script':
        "Read until message `n` is acknowledged"
        while self.acked < n: self.read()
        return self

    def drain(self)->'Script':
        "Read what has come"
        try: self.c.ping()
        except Closed: pass
        while self.c.got: self.read()
        return self

    def lose(self)->Client:
        "The line is dead, and the server does not know: the old connection, which nobody reads any more"
        c,self.c = self.c,None
        return c

    def drop(self):
        "Hang up without a word"
        self.lose().drop()


def post(port:int, path:str, fields:dict, cookie:str='', origin:str|None='', method:str='POST', body:bytes|None=None, **headers)->tuple[int,dict]:
    "Status and headers of a form that is posted, from a page of the server's own origin unless told otherwise"
    body = urllib.parse.urlencode(fields).encode() if body is None else body
    head = {'Host':f'127.0.0.1:{port}', 'Connection':'close', 'Content-Type':'application/x-www-form-urlencoded', 'Content-Length':str(len(body)), 'Cookie':cookie}
    if origin is not None: head['Origin'] = origin or f'http://127.0.0.1:{port}'
    head |= {k.replace('_','-'):v for k,v in headers.items()}
    with socket.create_connection(('127.0.0.1', port), 10) as s:
        s.sendall(f'{method} {path} HTTP/1.1\r\n'.encode() + ''.join(f'{k}: {v}\r\n' for k,v in head.items() if v is not None).encode() + b'\r\n' + body)
        raw = b''.join(iter(lambda: s.recv(65536), b'')).decode()
    lines = raw.partition('\r\n\r\n')[0].split('\r\n')
    return int(lines[0].split()[1]), {k.lower():v for k,_,v in (o.partition(': ') for o in lines[1:])}
