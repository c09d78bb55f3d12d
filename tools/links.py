"""Check that every link, anchor and asset of the built docs site is there, and that no page loads anything from elsewhere.

    python -m tools.links [SITE]
"""
import argparse
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_loads = {('img', 'src'), ('script', 'src'), ('iframe', 'src'), ('link', 'href'), ('source', 'src'), ('video', 'src'), ('audio', 'src')}


class Refs(HTMLParser):
    "Anchors that a page has, links that it makes and what it loads"
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loads, self.titles = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        for k, v in attrs:
            if k == 'id': self.ids.append(v)
            if tag == 'a' and k == 'href' and v: self.links.append(v)
            if (tag, k) in _loads and v: self.loads.append(v)
        self.titles += tag == 'h1'


def read(path:Path)->Refs:
    "The references of one page"
    res = Refs()
    res.feed(path.read_text(encoding='utf-8'))
    return res


def check_page(path:Path, pages:dict[Path, Refs])->list[str]:
    "What is wrong with the references of one page"
    refs, bad = pages[path], []
    if refs.titles != 1: bad.append(f'has {refs.titles} first-level headings')
    bad += [f'has the anchor #{k} {n} times' for k, n in Counter(refs.ids).items() if n > 1]
    for o in refs.loads:
        u = urlsplit(o)
        if u.scheme not in ('', 'data') or u.netloc: bad.append(f'loads {o[:100]} from elsewhere')
    for o in dict.fromkeys(refs.links + refs.loads):
        u = urlsplit(o)
        if u.scheme or u.netloc: continue
        if u.path.startswith('/'):
            bad.append(f'{o} is not relative')
            continue
        to = (path.parent/unquote(u.path)).resolve() if u.path else path
        if not to.is_file(): bad.append(f'{o} leads nowhere')
        elif u.fragment and to in pages and unquote(u.fragment) not in pages[to].ids: bad.append(f'{o}: no such anchor')
    return bad


def check_site(
    site:Path, # Folder of the built site
)->list[str]: # One text a fault
    "What is wrong with the links of a site"
    pages = {p.resolve(): read(p) for p in sorted(site.rglob('*.html'))}
    if not pages: return [f'{site}: no pages']
    return [f'{p.relative_to(site.resolve())}: {o}' for p in pages for o in check_page(p, pages)]


def main():
    "Command line"
    p = argparse.ArgumentParser(prog='python -m tools.links', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('site', type=Path, nargs='?', default=Path(__file__).resolve().parent.parent/'_site')
    bad = check_site(p.parse_args().site)
    for o in bad: print(o, file=sys.stderr)
    if bad: raise SystemExit(1)
    print('All links lead somewhere.')


if __name__ == '__main__': main()
