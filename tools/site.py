"""Build the docs site from the notebooks and _quarto.yml with pandoc.

    python -m tools.site [--out _site]

It executes nothing: outputs are those that the notebooks store. It follows the conventions of nbdev and Quarto that the notebooks use, so
that `nbdev-docs` makes the same site where Quarto is installed.
"""
import argparse
import ast
import contextlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import pypandoc
import yaml
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import NbdevLookup

from tools import apidoc
from tools.navigation import Nav, read_nav
from tools.pages import Page, dropped, is_show_doc, read_page, show_doc_args
from tools.readme import outside_fences
from tools.search import search_index

here = Path(__file__).resolve().parent
_assets = {'.png', '.jpg', '.jpeg', '.gif', '.svg', '.webp', '.css', '.js'}
_heading = re.compile(r'^#{1,6} +(.*[^}\s])[ \t]*$', re.M)
_notebook_link = re.compile(r'(\]\()(?!\w+:)([^)\s#]+\.ipynb)')


class Links(NbdevLookup):
    "nbdev's index of symbols, with links relative to one page, and only to what is documented"
    def __init__(self, page:Page, urls:dict[str, str]):
        super().__init__()
        self.page, self.urls = page, urls
    def link_line(self, l): return l if l.startswith('#') else super().link_line(l) # headings are no links
    def doc(self, sym):
        if sym in self.urls: return relative(self.urls[sym], self.page)
        found = self[sym]
        return found[0] if isinstance(found, tuple) and found[0].startswith('http') else None


def relative(url:str, page:Page)->str: return os.path.relpath(url, os.path.dirname(page.url) or '.')


def symbol_urls(pages:list[Page])->dict[str, str]:
    "Where each documented name is, by bare name and by name with module"
    res = {}
    for p in pages:
        classes = {k: v for k, v in p.symbols.items() if isinstance(v, type)}
        found = {n: n for n in [*p.symbols, *(f'{k}.{m}' for k, v in classes.items() for m in apidoc.methods(v))]}
        fields = {f'{k}.{a}': k for k, v in classes.items() for a in vars(v).get('__annotations__', {})}
        for n, anchor in (fields | found).items():
            for k in (n, f'{p.module.__name__}.{n}'): res.setdefault(k, f'{p.url}#{anchor.lower()}')
    return res


def inline(s:str)->str: return re.sub(r'`([^`]+)`', r'<code>\1</code>', escape(s))


def raw(html:str)->str: return f'~~~~~~~~~~{{=html}}\n{html}\n~~~~~~~~~~'


def output(o:dict)->str:
    "One stored output as Markdown"
    data = {k: v if isinstance(v, str) else ''.join(v) for k, v in o.get('data', {}).items() if isinstance(v, (str, list))}
    if 'text/markdown' in data: return f'::: {{.output}}\n{data["text/markdown"]}\n:::'
    if 'text/html' in data: return raw(f'<div class="output html">{data["text/html"]}</div>')
    if 'image/svg+xml' in data: return raw(f'<figure class="output">{data["image/svg+xml"]}</figure>')
    for k in data:
        if k.startswith('image/'): return raw(f'<figure class="output"><img src="data:{k};base64,{data[k].strip()}" alt=""></figure>')
    text = ''.join(o.get('text') or o.get('traceback') or data.get('text/plain', ''))
    kind = 'err' if o['output_type'] == 'error' or o.get('name') == 'stderr' else 'out'
    return raw(f'<pre class="output {kind}"><code>{escape(text.rstrip())}</code></pre>') if text.strip() else ''


def source(c)->str:
    "The source of a code cell as Markdown, folded where its directives say so"
    d, src = c.directives_, c.source.strip('\n')
    if not src or d.get('echo') == 'false' or 'default_exp' in d: return ''
    block = f'~~~~{{.{c.metadata.get("language", "python")}}}\n{src}\n~~~~'
    exported = {'export', 'exporti', 'exports'} & d.keys()
    fold = d.get('code-fold') or ('show' if 'exports' in d else 'true' if exported else 'false')
    if fold == 'false': return block
    imports = all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in c.parsed_() or [None])
    summary = d.get('code-summary', 'Imports' if imports else 'Exported source' if exported else 'Code').strip('"\'')
    opening = f'<details{" open" if fold == "show" else ""}><summary>{escape(summary)}</summary>'
    return '\n\n'.join([raw(opening), block, raw('</details>')])


def heading(m, page:Page)->str:
    "A heading of a notebook, with an anchor of its own where it would have that of a symbol"
    slug = re.sub(r'[^\w .-]', '', m[1]).strip().lower().replace(' ', '-')
    taken = {o.lower() for o in page.symbols}
    return f'{m[0]} {{#{slug}-section}}' if slug in taken else m[0]


def cell_markdown(c, page:Page, links:Links)->str:
    "One cell as Markdown"
    if c.cell_type == 'markdown':
        def f(o): return _notebook_link.sub(lambda m: m[1] + nbpath2html(m[2]).as_posix(), _heading.sub(lambda m: heading(m, page), o))
        return outside_fences(links.linkify(c.source), f)
    if c.cell_type != 'code' or {'hide'} & c.directives_.keys() or c.directives_.get('include') == 'false': return ''
    if is_show_doc(c):
        name, kw = show_doc_args(c)
        doc = apidoc.symbol(kw.get('name', name), page.symbols[name], kw.get('title_level', 3), frozenset(page.symbols))
        return links.linkify(doc)
    outs = [] if c.directives_.get('output') == 'false' else [output(o) for o in c.get('outputs', [])]
    return '\n\n'.join(o for o in [source(c), *outs] if o)


def docs_first(cells:list)->list:
    "Put what documents symbols before the exported source that defines them, in the order of the source"
    res, held, docs = [], [], []
    for c in cells:
        if getattr(c, 'has_sd', 0) and held: docs.insert(0, c) # nbdev puts the last one first
        else:
            res, held, docs = res + docs + held, [], []
            (held if c.cell_type == 'code' and 'export' in c.directives_ else res).append(c)
    return res + docs + held


def render(page:Page, nav:Nav, urls:dict[str, str])->str:
    "The whole HTML page of a notebook"
    links = Links(page, urls)
    md = '\n\n'.join(cell_markdown(c, page, links) for c in docs_first(page.cells))
    plain = escape(page.description.replace('`', ''))
    values = dict(nav.around(page), title=inline(page.title), lead=inline(page.description), description=plain, root=page.root)
    args = [f'--template={here/"site.html"}', '--toc', f'--toc-depth={nav.depth}', '--wrap=preserve', '--standalone',
            *(f'--variable={k}={v}' for k, v in values.items() if v), f'--metadata=pagetitle:{page.title.replace(chr(96), "")}']
    return pypandoc.convert_text(md, 'html5', 'markdown+lists_without_preceding_blankline-tex_math_dollars-raw_tex', extra_args=args)


def build(
    root:Path, # The project
    out:Path,  # Folder to write to; what it holds is replaced
)->int: # Number of pages
    "Build the site"
    with contextlib.chdir(root):
        cfg, nbs = get_config(root), root/'nbs'
        paths = sorted(p for p in nbs.rglob('*.ipynb') if not any(o[0] in '._' for o in p.relative_to(nbs).parts))
        if lost := [f'{p.relative_to(root)}: {o}' for p in paths if (o := dropped(p))]:
            raise SystemExit('\n'.join(['nbdev drops what follows the title in its cell; give it a cell of its own:', *lost]))
        pages = [read_page(p, nbs, cfg.lib_path.name) for p in paths]
        nav = read_nav(yaml.safe_load((root/'_quarto.yml').read_text()), pages, cfg.title)
        urls = symbol_urls(pages)
        with ThreadPoolExecutor(os.cpu_count()) as pool: done = list(pool.map(lambda p: render(p, nav, urls), pages))
    shutil.rmtree(out, ignore_errors=True)
    for page, html in zip(pages, done, strict=True):
        (out/page.url).parent.mkdir(parents=True, exist_ok=True)
        (out/page.url).write_text(html, encoding='utf-8')
    for p in nbs.rglob('*'):
        if p.suffix in _assets and p.is_file():
            (out/p.relative_to(nbs)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(p, out/p.relative_to(nbs))
    for o in ['site.css', 'site.js']: shutil.copy2(here/o, out/o)
    (out/'search.js').write_text('searchIndex = ' + json.dumps(search_index(pages, done), ensure_ascii=False), encoding='utf-8')
    return len(pages)


def main():
    "Command line"
    p = argparse.ArgumentParser(prog='python -m tools.site', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--root', type=Path, default=here.parent, help='the project')
    p.add_argument('--out', type=Path, default=here.parent/'_site', help='folder to write to')
    a = p.parse_args()
    print(f'{build(a.root.resolve(), a.out.resolve())} pages in {a.out}')


if __name__ == '__main__': main()
