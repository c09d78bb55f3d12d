"The bench counts what it says it counts; how fast anything is, it says itself."
import json
import sys

import pytest

from bench import measures, pairs, proofs, table
from bench.load import count, head, masked
from bench.peers import htmx2, peers

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='the bench reads /proc and uses epoll: run it on Linux')


def frame(text:str)->bytes:
    data = text.encode()
    return b'\x81' + (bytes([len(data)]) if len(data) < 126 else b'\x7e' + len(data).to_bytes(2)) + data


@pytest.mark.parametrize('n', [0, 1, 125, 126, 3000])
def test_frames_are_counted_however_they_are_cut(n):
    whole = frame('x'*n)*3
    for cut in range(0, len(whole), max(1, len(whole)//50)):
        a, rest = count(whole[:cut])
        b, left = count(rest + whole[cut:])
        assert (a + b, left) == (3, b'')
    assert head(whole, 0)[1] == len(whole)//3

def test_other_frames_are_told(): pytest.raises(ConnectionError, count, b'\x88\x00')
def test_a_client_masks(): assert masked(b'hi') == b'\x81\x82\0\0\0\0hi' and len(masked(b'x'*200)) == 208


def test_every_proof_says_what_it_is():
    for m in proofs().values(): assert m.what and m.bar and callable(m.run)

def test_every_peer_has_a_file():
    for k, p in peers.items(): assert (pairs.root/'bench/peers'/f'{p.module}.{"cjs" if p.is_node else "py"}').exists(), k


def test_targets_are_met_or_not():
    for name, (sign, bound) in table.goals.items():
        for factor, good in ((.99, sign == '<='), (1.01, sign == '>=')):
            assert table.Line(name, {'serve': bound*factor}).met is good
    assert table.Line('broadcast to 100', {}).met is None

def test_what_is_recorded_can_be_shown():
    lines = []
    table.show(lines.append)
    shown = {o.title for o in table.lines(json.loads(table.file.read_text()))}
    assert set(table.goals) <= shown and any('met' in o for o in lines)


few = ['raw', 'serve']

def test_everything_is_measured_of_a_few():
    "One tiny round of each measure; the numbers mean nothing"
    quiet = lambda o: None
    one = dict(rounds=1, seconds=.05, only=few)
    for rows in (measures.echo(quiet, (2,), **one)[2], measures.broadcast(quiet, (3,), (4,), **one)[3, 4],
                 measures.connects(quiet, 5, 2, 1, few), measures.pauses(quiet, 5, 1, 1, few), measures.idle(quiet, (3,), .1, few)):
        assert not [o for o in rows.values() if 'why' in o] and set(few) <= set(rows)
    rows = measures.deflate(quiet, 3, **one)
    assert rows['raw']['agreed'] and rows['raw']['bytes'] < rows['plain']['bytes']/2
    assert measures.growth(quiet, (1,), 1, 1).keys() == {'subscribers', 'topics', 'connections'}

def test_one_that_fails_is_left_out():
    with pairs.Fleet() as fleet:
        fleet.start(['raw'], lambda p: p.connect(2))
        assert fleet.each(lambda p: p.client('echo', n=2, seconds='x')) == {} and 'raw' in fleet.failed

def test_the_load_says_what_htmx_says(): assert json.loads(htmx2)['HEADERS']['HX-Request'] == 'true'
