"The notebooks of the docs site: what each one is called, what it exports and documents, and its cells as nbdev's processors leave them."
import ast
import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from fastcore.nbio import nb_frontmatter, read_nb
from nbdev.config import nbpath2html
from nbdev.process import NBProcessor
from nbdev.processors import (add_show_docs, clean_magics, filter_stream_, hide_, hide_line, mv_exports, populate_language,
                              rm_header_dash, strip_ansi)

_procs = [populate_language, add_show_docs, strip_ansi, hide_line, filter_stream_, rm_header_dash, clean_magics, hide_, mv_exports]


@dataclass
class Page:
    "One notebook on its way to a page"
    path:Path        # Notebook, relative to nbs/
    title:str        # From `# Title`
    description:str  # From `> one line`
    cells:list = field(default_factory=list) # What nbdev's processors leave
    module:object = None # What it exports
    symbols:dict = field(default_factory=dict) # Documented name -> symbol
    @property
    def url(self)->str: return nbpath2html(self.path).as_posix()
    @property
    def root(self)->str: return '../' * (len(self.path.parts) - 1)


def read_page(path:Path, nbs:Path, package:str)->Page:
    "Read the notebook at `path`, and find what it documents"
    nb = read_nb(path)
    fm = nb_frontmatter(nb)
    if 'title' not in fm: raise SystemExit(f'{path}: starts with no `# Title`')
    page = Page(path.relative_to(nbs), fm['title'], fm.get('description', ''))
    exp = next((c.directive('default_exp') for c in nb.cells if c.cell_type == 'code' and c.has_directive('default_exp')), None)
    page.module = importlib.import_module(f'{package}.{exp}') if exp else None
    page.cells = [c for c in processed(path) if not is_title(c)]
    shown = [show_doc_args(c)[0] for c in page.cells if is_show_doc(c)]
    page.symbols = {o: find_symbol(page, o) for o in shown}
    return page


def dropped(path:Path)->str:
    "The first line of the title's cell that nbdev makes nothing of, and so leaves out of the site"
    lines = [o for c in read_nb(path).cells if is_title(c) for o in c.source.splitlines()]
    return next((o for o in lines if o.strip() and not re.match(r'# |> |- \S+:', o)), '')


def processed(path): # its cells after nbdev's processors
    proc = NBProcessor(path, _procs)
    proc.process()
    return proc.nb.cells


def is_title(c): return c.cell_type == 'markdown' and re.match(r'# \S', c.source.lstrip())
def is_show_doc(c): return c.cell_type == 'code' and re.search(r'^show_doc\(', c.source, re.M)


def show_doc_args(c): # name of what it shows, and its keywords
    call = next(o.value for o in ast.parse(c.source).body if isinstance(o, ast.Expr) and getattr(o.value.func, 'id', '') == 'show_doc')
    return ast.unparse(call.args[0]), {k.arg: ast.literal_eval(k.value) for k in call.keywords}


def find_symbol(page:Page, name:str):
    "The symbol `name` of the module that `page` exports"
    first, *rest = name.split('.')
    obj = getattr(page.module, first)
    for o in rest: obj = vars(obj)[o] if isinstance(obj, type) and o in vars(obj) else getattr(obj, o)
    return obj
