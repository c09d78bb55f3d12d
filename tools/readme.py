"README.md from a notebook, without Quarto: what `nbdev-readme` makes, with links that work from the top of the repository."
import re
from pathlib import Path

from fastcore.nbio import read_nb

_notice = '<!-- Made from nbs/index.ipynb by `python -m tools.notebooks readme`. Edit the notebook, not this file. -->'
_link = re.compile(r'(\]\()(?!\w+:|//|#|/)([^)\s#]+)')
_callout = re.compile(r'^:::+ *\{\.callout-(\w+)[^}]*\}\n(.*?)^:::+ *$', re.M | re.S)
_unseen = {'hide', 'default_exp', 'export', 'exporti'}


def outside_fences(md:str, f)->str:
    "`md` with `f` applied to all that is not in a fenced code block"
    parts = re.split(r'(^```.*?^```[ \t]*$)', md, flags=re.M | re.S)
    return ''.join(o if i % 2 else f(o) for i, o in enumerate(parts))


def _quote(m): # a callout the way GitHub writes it
    body = '\n'.join(f'> {o}'.rstrip() for o in m[2].strip().splitlines())
    return f'> [!{m[1].upper()}]\n{body}'


def markdown(src:str, folder:str)->str:
    "A Markdown cell with links that are relative to the folder above `folder`, and callouts that GitHub shows"
    def f(o): return _callout.sub(_quote, _link.sub(rf'\1{folder}/\2', o))
    return outside_fences(src.strip(), f)


def output(o:dict)->str:
    "One stored output as Markdown"
    if o['output_type'] == 'stream': text = o['text']
    elif 'text/markdown' in o.get('data', {}): return ''.join(o['data']['text/markdown']).strip()
    else: text = o.get('data', {}).get('text/plain', '')
    lines = ''.join(text).strip('\n').splitlines()
    return '\n'.join(f'    {x}' for x in lines)


def code(c)->list[str]:
    "A code cell, and what it printed, as Markdown blocks"
    if _unseen & c.directives.keys() or c.directive('include') == 'false': return []
    src = ''.join(c._partition()[1]).strip()
    res = [f'```python\n{src}\n```'] if src and c.directive('echo') != 'false' else []
    return res + ([output(o) for o in c.outputs] if c.directive('output') != 'false' else [])


def make_readme(
    path:Path, # Notebook
)->str: # Text of README.md
    "README.md made from the notebook at `path`"
    blocks = []
    for c in read_nb(path).cells:
        if c.cell_type == 'markdown': blocks.append(markdown(c.source, path.parent.name))
        elif c.cell_type == 'code': blocks += code(c)
    title, *rest = [o for o in blocks if o.strip()]
    return '\n\n'.join([title, _notice, *rest]) + '\n'
