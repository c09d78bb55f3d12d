"The project around the package: notebooks, exports, README, docs site and wheel."
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import links, notebooks, site

root = notebooks.root
cfg = ConfigParser(delimiters=['='])
cfg.read(root/'settings.ini')
settings = cfg['DEFAULT']


def run(*cmd, cwd=root, **env):
    "Run a command; on failure show all it printed. It runs as a user would run it, so without the marks of another test run"
    full = {k: v for k, v in os.environ.items() if k not in ('IN_TEST', 'PYTEST_CURRENT_TEST')} | env
    res = subprocess.run([str(o) for o in cmd], cwd=cwd, env=full, stdin=subprocess.DEVNULL, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert res.returncode == 0, f'{" ".join(map(str, cmd))} exited with {res.returncode}\n{res.stdout}'
    return res.stdout


def tool(*args, **kw): return run(sys.executable, '-m', *args, **kw)


# Notebooks

def test_notebooks_pass():
    assert 'Success.' in run(Path(sys.executable).parent/'nbdev-test')


def test_stored_outputs_are_current(): tool('tools.notebooks', 'check')
def test_notebooks_are_clean(): tool('tools.notebooks', 'clean', '--check')
def test_package_is_what_the_notebooks_export(): tool('tools.notebooks', 'export', '--check')
def test_readme_is_the_index_notebook(): tool('tools.notebooks', 'readme', '--check')


def notebook(path, *cells):
    "Write a notebook of code cells given as (source, outputs)"
    nb = notebooks.nbformat.v4.new_notebook()
    for i, (src, outs) in enumerate(cells): nb.cells.append(notebooks.nbformat.v4.new_code_cell(src, id=f'cell{i}', outputs=outs))
    notebooks.nbformat.write(nb, path)
    return path


stale = notebooks.nbformat.v4.new_output('stream', name='stdout', text='1\n')

@pytest.mark.parametrize('src,outs,says', [
    ('print(2)', [stale], 'not that of a fresh run'),
    ('print(1)', [], 'not that of a fresh run'),
    ('#| output: false\nprint(1)', [stale], 'not that of a fresh run'),
    ('object()', [], 'memory address'),
    ('1/0', [], 'ZeroDivisionError'),
    ('import asyncio\nasync def f(): 1/0\nt = asyncio.create_task(f()); await asyncio.sleep(.05); del t', [], 'nothing handled'),
], ids=['other', 'none', 'varying', 'address', 'error', 'task'])
def test_check_finds(tmp_path, src, outs, says):
    "The check of the outputs can fail"
    path = notebook(tmp_path/'a.ipynb', (src, outs))
    before = path.read_text()
    with pytest.raises(AssertionError, match=says): tool('tools.notebooks', 'check', path)
    assert path.read_text() == before


def test_check_passes(tmp_path):
    path = notebook(tmp_path/'a.ipynb', ('print(1)', []), ('#| output: false\nimport time; time.time()', []), ('#| eval: false\n1/0', []))
    tool('tools.notebooks', 'run', path)
    once = path.read_text()
    tool('tools.notebooks', 'run', path)
    assert path.read_text() == once and '"1\\n"' in once
    tool('tools.notebooks', 'check', path)


# Public API

def public():
    "Every function and method that a module of the package offers, with its name; the chat app offers none"
    for path in sorted((root/'fasthtml_ws').glob('[!_]*.py')):
        if path.stem == 'chat': continue
        mod = importlib.import_module(f'fasthtml_ws.{path.stem}')
        for name in mod.__all__:
            o = getattr(mod, name)
            if getattr(o, '__module__', None) != mod.__name__: continue
            if inspect.isfunction(o): yield f'{path.stem}.{name}', o
            for k, v in vars(o).items() if inspect.isclass(o) else ():
                if inspect.isfunction(v) and v.__module__ == mod.__name__ and (k == '__init__' or k[0] != '_'):
                    if v.__code__.co_filename == str(path): yield f'{path.stem}.{name}.{k}', v # a dataclass's __init__ has no file


def test_public_api_is_annotated():
    "Type checkers of those who use the package see what goes in (`self` aside)"
    def names(f): return f.__code__.co_varnames[:f.__code__.co_argcount + f.__code__.co_kwonlyargcount]
    bare = [f'{name}({o})' for name, f in public() for o in names(f) if o not in f.__annotations__ and o not in ('self', 'cls')]
    assert bare == []


def test_public_api_has_docstrings():
    assert [name for name, f in public() if not f.__doc__ and not name.endswith('__init__')] == []


# Docs site

@pytest.fixture(scope='module')
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp('docs')/'site'
    tool('tools.site', '--out', out)
    return out


def test_site_has_a_page_for_each_notebook(built):
    pages = {site.nbpath2html(p.relative_to(notebooks.nbs)).as_posix() for p in notebooks.find_notebooks([])}
    assert pages == {p.relative_to(built).as_posix() for p in built.rglob('*.html')}


def test_site_links_lead_somewhere(built): assert links.check_site(built) == []


def test_link_check_finds_faults(tmp_path):
    (tmp_path/'a.html').write_text('<h1 id="x">A</h1><a href="b.html">b</a><a href="#y">y</a><a href="/a.html">a</a>'
                                   '<img src="https://example.com/i.png"><a href="a.html#x">fine</a>')
    assert [o.split(': ', 1)[1] for o in links.check_site(tmp_path)] == [
        'loads https://example.com/i.png from elsewhere', 'b.html leads nowhere', '#y: no such anchor', '/a.html is not relative']


# Package

@pytest.fixture(scope='module')
def dist(tmp_path_factory):
    "A wheel and an sdist, built from a copy of what git would have"
    src, out = tmp_path_factory.mktemp('src')/'src', tmp_path_factory.mktemp('dist')
    shutil.copytree(root, src, symlinks=True, ignore=shutil.ignore_patterns('.git', '.venv', 'node_modules', '*.egg-info', '__pycache__', '_*site', 'dist', 'build'))
    tool('build', '--outdir', out, src) # the sdist first, and the wheel from the sdist
    return out


@pytest.fixture(scope='module')
def wheel(dist):
    with zipfile.ZipFile(next(dist.glob('*.whl'))) as z: yield z


def meta(wheel, name): return wheel.read(next(o for o in wheel.namelist() if o.endswith(f'.dist-info/{name}'))).decode()
def requirements(lines): return {str(Requirement(o)) for o in lines}


def test_wheel_metadata(wheel):
    m = Parser().parsestr(meta(wheel, 'METADATA'))
    dev = [f'{o}; extra == "dev"' for o in settings['dev_requirements'].split()]
    assert requirements(m.get_all('Requires-Dist')) == requirements(settings['requirements'].split() + dev)
    assert m.get_all('Provides-Extra') == ['dev']
    assert (m['Name'], m['License-Expression'], m['Requires-Python']) == ('fasthtml-ws', 'Apache-2.0', '>=3.11')
    assert f'__version__ = "{m["Version"]}"' in (root/'fasthtml_ws/__init__.py').read_text()
    assert m.get_payload().strip() == (root/'README.md').read_text().strip()


def test_wheel_entry_points(wheel):
    points = ConfigParser(delimiters=['='])
    points.read_string(meta(wheel, 'entry_points.txt'))
    assert dict(points['console_scripts']) == {'fasthtml-ws': 'fasthtml_ws.cli:main'}
    assert dict(points['nbdev']) == {'fasthtml_ws': 'fasthtml_ws._modidx:d'}


def test_wheel_files(wheel):
    names = {o for o in wheel.namelist() if '.dist-info/' not in o}
    assert names == {p.relative_to(root).as_posix() for p in (root/'fasthtml_ws').rglob('*') if p.is_file() and '__pycache__' not in p.parts}
    assert 'fasthtml_ws/py.typed' in names


def test_sdist_holds_what_a_build_needs(dist):
    with tarfile.open(next(dist.glob('*.tar.gz'))) as t: names = {o.split('/', 1)[-1] for o in t.getnames()}
    assert {'settings.ini', 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'fasthtml_ws/py.typed'} <= names
