"""What htmx 2.0.7 with htmx-ext-ws 2.0.3 and htmx 4.0.0 with its hx-ws do to a page when a message arrives, as small models.

A page is a tree of `Node`s and texts. A message is applied by `htmx2` or `htmx4`; `shape` is the whole page as nested tuples, for comparison.
The models know elements, texts, attributes, selectors without combinators, seven swap styles, `hx-preserve`, and a load trigger, of
which they only remember that it fired. `tests/browser/test_conflate.py` compares them with the clients themselves.
"""
from html.parser import HTMLParser

void = frozenset('br hr img input wbr'.split())
oob = 'hx-swap-oob'


class Node:
    "An element"
    def __init__(self, tag, attrs=None, kids=()):
        self.tag,self.attrs,self.kids,self.up = tag,dict(attrs or {}),[],None
        for o in kids: self.insert(len(self.kids), o)

    def insert(self, i, o):
        if isinstance(o, Node): o.up = self
        self.kids.insert(i, o)

    def index(self): return next(i for i,o in enumerate(self.up.kids) if o is self)
    def remove(self): del self.up.kids[self.index()]; self.up = None
    def empty(self):
        for o in self.kids:
            if isinstance(o, Node): o.up = None
        self.kids.clear()

    def clone(self): return Node(self.tag, self.attrs, [o.clone() if isinstance(o, Node) else o for o in self.kids])

    def all(self):
        "The elements in this one, in order of the document"
        for o in self.kids:
            if isinstance(o, Node): yield o; yield from o.all()

    def find(self, selector): return [o for o in self.all() if any(matches(o, s) for s in selector.split(','))]
    def by_id(self, id): return next((o for o in self.all() if o.attrs.get('id')==id), None)


def matches(node, selector):
    "Does `#id`, `.class`, `[name]` or `[name=\"value\"]` match?"
    if selector[0]=='#': return node.attrs.get('id')==selector[1:]
    if selector[0]=='.': return selector[1:] in (node.attrs.get('class') or '').split()
    name,_,value = selector[1:-1].partition('=')
    return name in node.attrs if not value else node.attrs.get(name)==value.strip('"')


class _Parser(HTMLParser):
    def __init__(self): super().__init__(); self.top = self.at = Node('')
    def handle_starttag(self, tag, attrs):
        n = Node(tag, {k:v or '' for k,v in attrs})
        self.at.insert(len(self.at.kids), n)
        if tag not in void: self.at = n
    def handle_endtag(self, tag): self.at = self.at.up
    def handle_data(self, data): self.at.kids.append(data)


def parse(html):
    "`html`, which must be well nested, as the kids of a `Node`"
    p = _Parser()
    p.feed(html); p.close()
    assert p.at is p.top, f'not well nested: {html}'
    return p.top


class Page:
    "A page whose element `#owner` owns the socket"
    def __init__(self, html): self.top,self.fired = Node('', {}, [parse(html)]),[]
    def is_alive(self): return bool(self.top.by_id('owner'))
    def shape(self): return shape(self.top.kids[0]),tuple(self.fired)

    def swap(self, target, style, new, settle=None):
        "Put `new`, a list of nodes and texts, where `target` and `style` say"
        kept = self._preserve(new)
        up,i = target.up,target.up and target.index()
        if up is None and style not in ('innerHTML','beforeend','afterbegin'): return # it was kept itself
        if settle is not None and style!='delete': settle += self._lend_classes(up if style in ('outerHTML','beforebegin','afterend') else target, new)
        if style=='outerHTML': self._insert(up, i, new); target.remove()
        elif style=='innerHTML': target.empty(); self._insert(target, 0, new)
        elif style=='beforeend': self._insert(target, len(target.kids), new)
        elif style=='afterbegin': self._insert(target, 0, new)
        elif style=='beforebegin': self._insert(up, i, new)
        elif style=='afterend': self._insert(up, i+1, new)
        elif style=='delete': target.remove()
        else: raise ValueError(style)
        for o in kept:
            n = self.top.by_id(o.attrs['id'])
            if n: n.up.insert(n.index(), o); n.remove()
        for o in [n for k in new if isinstance(k, Node) for n in (k, *k.all())]:
            if o.attrs.get('hx-trigger')=='load' and self._is_here(o): self.fired.append(o.attrs.get('hx-get'))

    def _insert(self, up, i, new):
        for j,o in enumerate(new): up.insert(i+j, o)

    def _lend_classes(self, parent, new):
        "htmx 2 lets what is new look like what was there, until the end of the message; what to put back then"
        res = []
        for n in [n for k in new if isinstance(k, Node) for n in (k, *k.all())]:
            id = n.attrs.get('id')
            old = id and next((o for o in parent.all() if o.tag==n.tag and o.attrs.get('id')==id), None)
            if not old: continue
            res.append((n, n.attrs.get('class')))
            put_class(n, old.attrs.get('class'))
        return res

    def _preserve(self, new):
        "What the page has of the elements to be kept, taken out of it"
        res = []
        for n in [n for k in new if isinstance(k, Node) for n in (k, *k.all())]:
            old = 'hx-preserve' in n.attrs and self.top.by_id(n.attrs.get('id'))
            if old: old.remove(); res.append(old)
        return res

    def _is_here(self, o):
        while o.up: o = o.up
        return o is self.top


def put_class(node, value):
    if value is None: node.attrs.pop('class', None)
    else: node.attrs['class'] = value


def shape(node):
    "`node` as nested tuples, without empty texts"
    kids,text = [],''
    for o in [*node.kids, None]:
        if isinstance(o, str): text += o; continue
        if text.strip(): kids.append(text)
        text = ''
        if o: kids.append(shape(o))
    return node.tag,tuple(sorted(node.attrs.items())),tuple(kids)


def htmx2(page, frame):
    "Root by root; only roots are looked at; all elements of a selector"
    if not page.is_alive(): return
    roots = [o for o in parse(frame).kids if isinstance(o, Node)]
    settle = [] if len(roots)>1 else None # nobody sees it otherwise
    for root in roots:
        value,id = root.attrs.pop(oob, None) or 'true',root.attrs.get('id', 'null')
        style,_,selector = ('outerHTML','','') if value=='true' else value.partition(':')
        for target in page.top.find(selector or f'#{id}'):
            new = root.clone()
            if target.up: page.swap(target, style, [new] if style=='outerHTML' else take(new), settle)
    for n,value in settle or (): put_class(n, value)


def htmx4(page, frame):
    "All targets of everything that says `hx-swap-oob` are looked up, then all swaps are done; what is left over replaces what is in the owner"
    if not page.is_alive(): return
    top,tasks = parse(frame),[]
    for o in [o for o in top.all() if oob in o.attrs]:
        value,id = o.attrs.pop(oob),o.attrs.get('id')
        style,_,selector = ('outerHTML','','') if value in ('true','') else value.partition(':')
        if not (selector or id): continue
        tasks += [(t, style, o.clone()) for t in page.top.find(selector or f'#{id}')]
        o.remove()
    if any(isinstance(o, Node) or o.strip() for o in top.kids):
        tasks.insert(0, (page.top.by_id('owner'), 'innerHTML', top))
    for target,style,new in tasks:
        if target.up or style in ('innerHTML','beforeend','afterbegin'): page.swap(target, style, [new] if style=='outerHTML' else take(new))


def take(node):
    "What is in `node`, taken out of it"
    kids = node.kids[:]
    node.empty()
    return kids


clients = dict(htmx2=htmx2, htmx4=htmx4)


def after(client, page, frames):
    "Shape of `page` (HTML) after `client` got `frames`"
    p = Page(page)
    for o in frames: client(p, o)
    return p.shape()
