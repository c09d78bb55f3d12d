"From a text frame to fields and headers: what is a message, what is refused and why, and that it costs no more than its length."
import json

import pytest
from hypothesis import given, settings, strategies as st

from fasthtml_ws.errors import PayloadError
from fasthtml_ws.payload import Payload, _slow, parse_payload
from fasthtml_ws.policy import Policy
from tests.growth import steepness
from tests.memory import *

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec='utf-8'), max_size=5))
values = st.recursive(leaves, lambda o: st.one_of(st.lists(o, max_size=3), st.dictionaries(st.text(st.characters(codec='utf-8'), max_size=4), o, max_size=3)), max_leaves=8)
fields = st.dictionaries(st.text(st.characters(codec='utf-8'), max_size=8).filter(lambda k: k not in ('HEADERS', 'headers')), values, max_size=6)
htmx = st.dictionaries(st.sampled_from(['HX-Request', 'HX-Trigger', 'hx-target', 'HX-Current-URL']), st.text(st.characters(codec='utf-8'), max_size=5), min_size=1)


# What is a message

@given(fields, st.booleans())
def test_fields_are_what_was_sent(msg, ascii): assert parse_payload(json.dumps(msg, ensure_ascii=ascii)) == Payload(msg, {})


@given(fields, htmx, st.sampled_from(['HEADERS', 'headers']))
def test_htmx_headers_are_taken_out(msg, hs, name):
    p = parse_payload(json.dumps(msg|{name: hs}))
    assert p.values == msg and p.headers == {k.lower(): v for k,v in hs.items()}


@pytest.mark.parametrize('text,values,headers', [
    ('', {}, {}), ('{}', {}, {}), (' {"a":1}\n', {'a':1}, {}), ('{"a":1,"a":2}', {'a':2}, {}),
    ('{"HEADERS":{}}', {}, {}), ('{"HEADERS":{"HX-Request":"true","HX-Trigger":null,"Cookie":"x"}}', {}, {'hx-request':'true'}),
    ('{"headers":{"HX-Request":"true","Authorization":"x"}}', {}, {'hx-request':'true'}), ('{"headers":"a field of the app"}', {'headers':'a field of the app'}, {}),
    ('{"headers":{"a":1}}', {'headers':{'a':1}}, {}), ('{"headers":["HX-A"]}', {'headers':['HX-A']}, {}), ('{"HEADERS":{},"headers":{"HX-A":"b"}}', {'headers':{'HX-A':'b'}}, {}),
    ('{"a":"\\ud83d\\ude00"}', {'a':'\U0001f600'}, {}), ('{"a":"\\\\ud800"}', {'a':'\\ud800'}, {}), ('{"a":1e999}', {'a':float('inf')}, {}),
])
def test_message(text, values, headers):
    p = parse_payload(text)
    assert (p.values,p.headers) == (values,headers)


@pytest.mark.parametrize('text,says', [
    ('{', 'expected a JSON object'), ('hi', 'expected a JSON object'), ('[]', 'expected a JSON object'), ('1', 'expected a JSON object'), ('null', 'expected a JSON object'),
    ('"a"', 'expected a JSON object'), (' ', 'expected a JSON object'), ('{}{}', 'expected a JSON object'), ("{'a':1}", 'expected a JSON object'), ('\ufeff{}', 'expected a JSON object'),
    ('{"a":"\n"}', 'expected a JSON object'), ('{"a":NaN}', 'NaN is not JSON'), ('{"a":-Infinity}', '-Infinity is not JSON'), ('{"a":' + '9'*5000 + '}', 'too many digits'),
    ('{"a":"\\ud800"}', 'not valid Unicode'), ('{"\\udfff":1}', 'not valid Unicode'), ('{"HEADERS":{"HX-A":"\\ud800"}}', 'not valid Unicode'), ('{"a":[["\\ude00\\ud83d"]]}', 'not valid Unicode'),
    ('{"HEADERS":[]}', 'expected an object of headers'), ('{"HEADERS":null}', 'expected an object of headers'), ('{"HEADERS":{"HX-Trigger":5}}', 'HEADERS.hx-trigger: expected text'),
    ('{"headers":{"HX-Trigger":{}}}', 'HEADERS.hx-trigger: expected text'),
])
def test_refused(text, says):
    with pytest.raises(PayloadError) as e: parse_payload(text)
    assert says in str(e.value)


@settings(max_examples=1000)
@given(st.one_of(st.text(max_size=40), st.text(st.sampled_from('{}[]":,\\u0dea1n '), max_size=40)))
def test_anything_is_a_message_or_refused(text):
    try: p = parse_payload(text)
    except PayloadError: return
    json.dumps([p.values, p.headers], ensure_ascii=False).encode()


def outcome(f, text):
    try: return f(text)
    except (ValueError,PayloadError) as e: return type(e), str(e)

def as_json_reads_it(text):
    try: value = _slow.decode(text)
    except json.JSONDecodeError: raise PayloadError('expected a JSON object') from None
    except PayloadError: raise
    except ValueError: raise PayloadError('a number has too many digits') from None
    try: json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError: raise PayloadError('text that is not valid Unicode') from None
    if not isinstance(value, dict): raise PayloadError('expected a JSON object')
    return value

@settings(max_examples=1000)
@given(values.map(json.dumps) | fields.map(json.dumps), st.sampled_from(['', '', ' ', '\n', '\t\r', '\ufeff', '\xa0', '[']), st.sampled_from(['', '', ' ', '\n', '{}', ',', '\0', '\xa0', 'NaN']), st.integers(0, 20), st.sampled_from(['', '', '"', '}', '\\', ',', '-', 'NaN', '9'*5000]), st.booleans())
def test_json_is_read_as_json_reads_it(text, before, after, at, put, inside):
    "With space around it, cut off, followed by something, with something put in, as a message or as the field of one"
    text = before + text[:at] + put + text[at:] + after
    if inside: text = f'{{"v":{text}}}'
    if text: assert repr(outcome(lambda t: parse_payload(t).values, text)) == repr(outcome(as_json_reads_it, text))


# Limits

def nested(n): return '{"a":' + '['*(n-1) + '1' + ']'*(n-1) + '}'

@pytest.mark.parametrize('n', [1, 2, 5, 32, 100])
def test_depth(n):
    assert parse_payload(nested(n), Policy(max_depth=n)).values
    with pytest.raises(PayloadError, match=f'nested deeper than {n} levels'): parse_payload(nested(n+1), Policy(max_depth=n))


@pytest.mark.parametrize('inside', ['[[[[', '{{{{', '\\"[[[[', '[\\\\', ']]]][[[['])
def test_brackets_in_text_are_no_depth(inside): assert parse_payload('{"a":"%s","%s":1}' % (inside, inside), Policy(max_depth=1)).values


@given(values)
def test_depth_of_anything(v):
    def deep(o): return 1 + max(map(deep, o.values() if isinstance(o, dict) else o), default=0) if isinstance(o, (dict,list)) else 0
    text,n = json.dumps({'a': v}),deep({'a': v})
    assert parse_payload(text, Policy(max_depth=n)).values == {'a': v}
    if n > 1:
        with pytest.raises(PayloadError, match='nested deeper'): parse_payload(text, Policy(max_depth=n-1))


def test_depth_of_a_million_brackets_and_no_recursion():
    for text in ('['*1_000_000, '{"a":'*200_000, '[{"a":'*150_000):
        with pytest.raises(PayloadError, match='nested deeper'): parse_payload(text)
        with pytest.raises(PayloadError): parse_payload(text, Policy(max_depth=10**9))


@pytest.mark.parametrize('make', [lambda n: {str(i): i for i in range(n)}, lambda n: {'a': {str(i): i for i in range(n-1)}}, lambda n: {'a': [{'b': 1}]*(n-1)}], ids=['flat', 'nested', 'in a list'])
def test_names(make):
    assert parse_payload(json.dumps(make(10)), Policy(max_fields=10)).values
    with pytest.raises(PayloadError, match='more than 10 names'): parse_payload(json.dumps(make(11)), Policy(max_fields=10))


def test_colons_in_text_are_no_names(): assert parse_payload('{"a":"::::::"}', Policy(max_fields=1)).values


shapes = {o: (lambda n, o=o: o*(n//len(o))) for o in ('[', '{"a":', '"', '\\"', '\\', '{', '[]', ':', '"a"', '\\u0041', '1')}
shapes |= {'brackets, then a text that never ends': lambda n: '['*40 + '"' + '\\"'*(n//2), 'brackets, then many texts': lambda n: '['*40 + '"a",'*(n//4), 'one long text': lambda n: '{"a":"' + 'x'*n + '"}',
           'a text of escapes': lambda n: '{"a":"' + '\\u0041'*(n//6) + '"}', 'many names': lambda n: '{' + ','.join(f'"{i}":1' for i in range(n//10)) + '}', 'backslash and line': lambda n: '['*40 + '"\\\n'*(n//3),
           'one long number': lambda n: '{"a":' + '1'*n + '}', 'long fraction': lambda n: '{"a":0.' + '1'*n + '}'}

def refuse(text):
    try: parse_payload(text)
    except PayloadError: pass

@pytest.mark.parametrize('name', shapes)
def test_cost_is_linear(name):
    g = steepness(refuse, shapes[name])
    assert g < 3.2, f'twice the message costs {g:.1f} times as much'
