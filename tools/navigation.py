"The navigation of the docs site, as `website` in _quarto.yml describes it."
import os
from dataclasses import dataclass
from fnmatch import fnmatch
from html import escape


@dataclass
class Nav:
    "Links of the site"
    title:str     # Of the site
    navbar:list   # (text, page)
    sections:list # (title, [(text, page)])
    footer:str    # Text at the foot of each page
    depth:int     # Of the table of contents of a page

    def order(self)->list: return [o for _, items in self.sections for o in items]

    def link(self, here, to, text:str, attrs:str='')->str:
        "A link from page `here` to page `to`, marked when they are the same"
        url = os.path.relpath(to.url, os.path.dirname(here.url) or '.')
        current = ' aria-current="page"' if here is to else ''
        return f'<a href="{escape(url)}"{current}{attrs}>{text}</a>'

    def sidebar(self, here)->str:
        "All sections as nested lists"
        def section(title, items):
            lis = '\n'.join(f'<li>{self.link(here, p, escape(t))}</li>' for t, p in items)
            return f'<section><h2>{escape(title)}</h2>\n<ul>\n{lis}\n</ul></section>'
        return '\n'.join(section(*o) for o in self.sections)

    def neighbours(self, here)->str:
        "Links to the page before and the page after, in the order of the sidebar"
        items = self.order()
        i = next((i for i, (_, p) in enumerate(items) if p is here), None)
        if i is None: return ''
        def one(j, rel, word):
            if not 0 <= j < len(items): return ''
            return self.link(here, items[j][1], f'<small>{word}</small> {escape(items[j][0])}', f' rel="{rel}" class="{rel}"')
        return one(i - 1, 'prev', 'Previous') + one(i + 1, 'next', 'Next')

    def around(self, here)->dict[str, str]:
        "Template variables of a page: what is around its text"
        top = '\n'.join(f'<li>{self.link(here, p, escape(t))}</li>' for t, p in self.navbar)
        section = next((t for t, items in self.sections for _, p in items if p is here), '')
        return dict(sitetitle=escape(self.title), navbar=top, sidebar=self.sidebar(here), neighbours=self.neighbours(here),
                    section=escape(section), footer=escape(self.footer))


def read_nav(
    conf:dict,  # _quarto.yml
    pages:list, # All pages of the site
    title:str,  # Of the site, where _quarto.yml does not say
)->Nav: # Its navigation; a notebook that nothing leads to is an error, and so is a link to none
    "Read the navigation, and see that it and the notebooks fit"
    by_path, site = {p.path.as_posix(): p for p in pages}, conf['website']

    def page(path):
        if path not in by_path: raise SystemExit(f'_quarto.yml names nbs/{path}, which does not exist')
        return by_path[path]

    def items(o):
        if isinstance(o, list): return [x for i in o for x in items(i)]
        if isinstance(o, dict): return items(o['auto']) if 'auto' in o else [(o.get('text') or page(o['href']).title.replace('`', ''), page(o['href']))]
        found = [p for k, p in by_path.items() if fnmatch(k, o)] if '*' in o else [page(o)]
        return [(p.title.replace('`', ''), p) for p in found]

    sections = [(o['section'], items(o['contents'])) for o in site['sidebar']['contents']]
    nav = Nav(site.get('title', title), [(o['text'], page(o['href'])) for o in site['navbar'].get('left', [])],
              [o for o in sections if o[1]], site.get('page-footer', {}).get('left', ''),
              conf['format']['html'].get('toc-depth', 3))
    lost = [p.path for p in pages if all(p is not q for _, q in nav.order())]
    if lost: raise SystemExit(f'nothing in the sidebar of _quarto.yml leads to {", ".join(f"nbs/{o}" for o in lost)}')
    return nav
