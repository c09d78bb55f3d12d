"The rules of tests/conftest.py, each shown to work in a test run of its own."
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder, src, strict, *args):
    "Run pytest over the one test file `src` under our conftest; its exit status and what it printed"
    shutil.copy(Path(__file__).with_name('conftest.py'), folder)
    (folder/'test_it.py').write_text(src)
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PYTEST_', 'FASTHTML_WS_'))} | {'FASTHTML_WS_CI': '1' if strict else '0'}
    res = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *args, folder], env=env, cwd=folder, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return res.returncode, res.stdout


in_test = "import pytest\ndef test_a(): pytest.skip('no chromium: apt-get install -y chromium')\n"
in_mark = "import pytest\n@pytest.mark.skip(reason='no chromium: apt-get install -y chromium')\ndef test_a(): pass\n"
in_module = "import pytest\npytest.skip('no chromium: apt-get install -y chromium', allow_module_level=True)\n"

@pytest.mark.parametrize('src,workers', [(in_test, '0'), (in_mark, '0'), (in_module, '0'), (in_module, '2')], ids=['test', 'mark', 'module', 'module, two workers'])
def test_skip_fails_in_ci(tmp_path, src, workers):
    status, out = run(tmp_path, src, True, '-n', workers)
    assert status in (1, 2) and 'apt-get install -y chromium' in out and 'allows no skips' in out


@pytest.mark.parametrize('src', [in_test, in_mark], ids=['test', 'mark'])
def test_skip_names_the_line_elsewhere(tmp_path, src):
    status, out = run(tmp_path, src, strict=False)
    assert status == 0 and 'not tested' in out and 'apt-get install -y chromium' in out


def test_expected_failure_is_no_skip(tmp_path):
    assert run(tmp_path, 'import pytest\n@pytest.mark.xfail\ndef test_a(): assert 0\n', strict=True)[0] == 0


@pytest.mark.parametrize('how,workers', [('start_new_session=False', '0'), ('start_new_session=True', '0'), ('start_new_session=True', '2')])
def test_process_left_behind_fails(tmp_path, how, workers):
    "Also one that has left the process group; its parent, a shell, is gone as well, and so is the worker that ran the test"
    src = f"import subprocess\ndef test_a(): subprocess.run('sleep 61.5 >/dev/null 2>&1 &', shell=True, {how})\n"
    status, out = run(tmp_path, src, False, '-n', workers)
    assert status == 1 and 'sleep 61.5' in out and '1 passed' in out


def test_process_that_ends_is_fine(tmp_path):
    src = "import subprocess\ndef test_a(): subprocess.Popen(['sleep', '.5'])\n"
    assert run(tmp_path, src, strict=False)[0] == 0
