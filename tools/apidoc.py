"What an API page says about a symbol: its signature, its docstring and a table of its parameters, as pandoc Markdown."
import inspect
import re
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from html import escape

from fastcore.docments import DocmentText, docments, docstring

_empty = inspect.Parameter.empty
_module = re.compile(r"(?<![\w.'\"])(?:[a-z_]\w*\.)+(?=[A-Z])")


def tidy(s:str)->str:
    "Source text of a type without module prefixes, quotes around it and memory addresses"
    s = re.sub(r' at 0x[0-9a-fA-F]+', '', s)
    s = re.sub(r"<(?:built-in function|function|class) '?([\w.]+)'?>", r'\1', s)
    return _module.sub('', s.removeprefix('typing.')).strip("'")


def type_text(anno)->str:
    "How an annotation is written"
    if anno in (_empty, type(None)): return 'None' if anno is type(None) else ''
    return tidy(anno if isinstance(anno, str) else inspect.formatannotation(anno))


def default_text(o)->str:
    "How a default is written"
    if o is _empty: return ''
    if isinstance(o, Enum): return f'{type(o).__name__}.{o.name}'
    return getattr(o, '__name__', None) or re.sub(r' at 0x[0-9a-fA-F]+', '', repr(o))


def _code(s): # an inline code span that holds any text, or nothing
    if not s: return ''
    ticks = '`' * (max((len(o) for o in re.findall('`+', s)), default=0) + 1)
    return f'{ticks}{s}{ticks}' if len(ticks) == 1 else f'{ticks} {s} {ticks}'


def note(s:str|None)->str:
    "A docment as Markdown, where what looks like a tag is no tag; what it says to type checkers and linters is not for readers"
    s = re.sub(r'\s*(?:#\s*)?(?:type: ignore|noqa|pragma:).*', '', s or '')
    return ''.join(o if i % 2 else escape(o, quote=False) for i, o in enumerate(re.split(r'(`+[^`]+`+)', s)))


def table(
    rows:list[list[str]], # Cells, as Markdown
    head:list[str],       # Names of the columns; a column without a single cell is left out
)->str: # An HTML table with Markdown in its cells, which unlike a Markdown table may hold any text
    "The table of a signature"
    cols = [i for i in range(len(head)) if any(r[i] for r in rows)]
    def tr(tag, cells): return '<tr>' + ''.join(f'<{tag} class="{head[i].lower()}">{cells[i]}</{tag}>' for i in cols) + '</tr>'
    if not rows: return ''
    body = '\n'.join(tr('td', r) for r in rows)
    return f'<div class="docments">\n<table>\n<thead>{tr("th", head)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>'


def _param(nm, p): # one row
    stars = {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}.get(p.get('kind'), '')
    guessed = p.default is not _empty and p.anno in (type(p.default), _empty) and p.default is None
    return [_code(stars + nm), _code('' if guessed else type_text(p.anno)), _code(default_text(p.default)), note(p.docment)]


def params_table(sym)->str:
    "Table of the parameters of `sym` and of what it returns; empty where there is nothing to say"
    if inspect.isclass(sym) and not inspect.isfunction(sym.__init__): return '' # an exception's, say
    dm = {k: v for k, v in docments(sym, full=True, args_kwargs=True).items() if k not in ('self', 'cls')}
    ret = dm.pop('return', None)
    rows = [_param(k, v) for k, v in dm.items()]
    if ret and not inspect.isclass(sym) and (note(ret.docment) or (rows and ret.anno not in (_empty, None, type(None)))):
        rows.append(['*returns*', _code(type_text(ret.anno)), '', note(ret.docment)])
    return table(rows, ['Name', 'Type', 'Default', 'Details'])


def enum_table(cls)->str:
    "Table of the members of an Enum, with the comments beside them"
    try: src = inspect.getsource(cls)
    except (OSError, TypeError): src = ''
    notes = dict(re.findall(r'^\s+(\w+)\s*(?::[^=\n]+)?=[^#\n]*#\s*(.+?)\s*$', src, re.M))
    return table([[_code(o.name), _code(repr(o.value)), note(notes.get(o.name))] for o in cls], ['Member', 'Value', 'Details'])


def fields_table(cls)->str:
    "Table of the fields of a dataclass whose constructor does not name them, with the comments beside them"
    if not is_dataclass(cls) or {f.name for f in fields(cls) if f.init} <= inspect.signature(cls).parameters.keys(): return ''
    notes = dict(re.findall(r'^ {4}(\w+)\s*:[^#\n]*#\s*(.+?)\s*$', inspect.getsource(cls), re.M))
    def default(f): return '' if f.default is MISSING else default_text(f.default)
    rows = [[_code(f.name), _code(type_text(f.type)), _code(default(f)), note(notes.get(f.name))] for f in fields(cls) if f.repr]
    return table(rows, ['Field', 'Type', 'Default', 'Details'])


def signature(name:str, sym)->str:
    "Signature of `sym` as Python would write it, without its docments"
    if inspect.isclass(sym):
        bases = ', '.join(o.__name__ for o in sym.__bases__ if o is not object)
        if issubclass(sym, Enum) or not inspect.isfunction(sym.__init__): return f'class {name}({bases})' if bases else f'class {name}'
    t = DocmentText(sym, maxline=90, docstring=False)
    t.dm = {k: v for k, v in t.dm.items() if k not in ('self', 'cls')}
    for o in t.dm.values(): o['docment'] = None
    s = tidy(str(t)).rstrip().removesuffix(':')
    flat = re.sub(r'\(\n\s*|,?\n(?=\))|\n\s+', lambda m: '(' if m[0][0] == '(' else ' ' if m[0][-1] == ' ' else '', s)
    if len(flat) <= 88: s = flat
    return re.sub(r'^(async )?def \w+', lambda m: f"{'class' if inspect.isclass(sym) else (m[1] or '') + 'def'} {name}", s)


def methods(cls)->dict[str, object]:
    "Public methods and properties that the body of `cls` defines, and that say what they do"
    res = {}
    for k, v in vars(cls).items():
        f = v.fget if isinstance(v, property) else getattr(v, '__func__', v)
        public = not k.startswith('_') or k in ('__call__', '__aenter__', '__aiter__')
        if public and inspect.isfunction(f) and f.__doc__ and f.__module__ == cls.__module__: res[k] = v
    return res


def symbol(
    name:str,     # As it is shown: `Outbox.put`
    sym,          # The symbol
    level:int=3,  # Of its heading
    skip:frozenset[str]=frozenset(), # Names of methods that are documented elsewhere
)->str: # Markdown; every heading has the anchor that nbdev's index of symbols gives it
    "Documentation of `sym`, and of its methods if it is a class"
    prop, fn = isinstance(sym, property), sym.fget if isinstance(sym, property) else getattr(sym, '__func__', sym)
    res = [f'{"#" * level} `{name}` {{#{name.lower()} .symbol}}']
    kind = 'property' if prop else 'classmethod' if isinstance(sym, classmethod) else 'staticmethod' if isinstance(sym, staticmethod) else ''
    short = name.rpartition('.')[2]
    if kind: res.append(f'<p class="kind">{escape(kind)}</p>')
    if prop: res.append(f'```python\n{name}: {type_text(inspect.signature(fn).return_annotation) or "Any"}\n```')
    else: res.append(f'```{{.python .signature}}\n{signature(name if inspect.isclass(sym) else short, fn)}\n```')
    if own_doc(fn): res.append(inspect.cleandoc(docstring(fn)))
    is_enum = inspect.isclass(fn) and issubclass(fn, Enum)
    named = fields_table(fn) if inspect.isclass(fn) else ''
    if not prop: res.append(named or (enum_table(fn) if is_enum else params_table(fn)))
    if inspect.isclass(fn):
        res += [symbol(f'{name}.{k}', v, level + 1) for k, v in methods(fn).items() if f'{name}.{k}' not in skip]
    return '\n\n'.join(o for o in res if o)


def own_doc(sym)->bool:
    "Has `sym` a docstring that its own source wrote (and not one that a base class or `dataclass` made)?"
    doc = docstring(sym)
    if not doc or not inspect.isclass(sym): return bool(doc)
    return not doc.startswith(f'{sym.__name__}(') and doc not in [inspect.getdoc(o) for o in sym.__mro__[1:]]
