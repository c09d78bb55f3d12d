"The index that the search of the docs site looks things up in."
from html.parser import HTMLParser

_breaks = {'p', 'li', 'td', 'th', 'pre', 'h1', 'h2', 'h3', 'h4', 'div', 'summary'}


class _Sections(HTMLParser):
    "Collects the text below each heading of <main>"
    def __init__(self):
        super().__init__()
        self.res, self.depth, self.heading = [], 0, None

    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        if tag == 'article': self.depth += 1
        if not self.depth: return
        if tag in ('h1', 'h2', 'h3', 'h4'):
            self.heading = tag
            self.res.append(dict(id=d.get('id', ''), head='', text=''))
        elif tag in _breaks and self.res: self.res[-1]['text'] += ' '

    def handle_endtag(self, tag):
        if tag == 'article': self.depth -= 1
        if tag == self.heading: self.heading = None

    def handle_data(self, data):
        if self.depth and self.res: self.res[-1]['head' if self.heading else 'text'] += data


def search_index(
    pages:list, # Pages
    html:list[str], # What they became
    most:int=1500,  # Characters of text that are kept of a section
)->list[dict]: # One entry a section: `url`, `page`, `head`, `text`
    "Everything that can be found, in the order of the pages"
    res = []
    for page, doc in zip(pages, html, strict=True):
        p = _Sections()
        p.feed(doc)
        for s in p.res:
            url = page.url + (f'#{s["id"]}' if s['id'] else '')
            res.append(dict(url=url, page=page.title, head=' '.join(s['head'].split()), text=' '.join(s['text'].split())[:most]))
    return res
