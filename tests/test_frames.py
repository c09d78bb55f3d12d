"""Frames of a client, right and wrong, in pieces of any size: against a reader that is slow and plain, and against the one of `websockets`.

`python -m tests.test_frames 1000000` looks at as many streams as one likes.
"""
import random, sys, zlib
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st
from websockets.frames import Frame
from websockets.protocol import SERVER, Protocol

from fasthtml_ws.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, FrameReader, ProtocolError, agree, close_frame, deflate, inflate, is_close_code, packed_frame, plain_below, server_frame

max_size = 300


# A client

def mask(data:bytes, key:bytes)->bytes: return bytes(b^key[i%4] for i,b in enumerate(data))

def client_frame(op, data=b'', fin=True, rsv=0, masked=True, key=b'\x01\x80\x00\xff', length=None, form=None)->bytes:
    "A frame as a client sends it, or as it must not"
    n = len(data) if length is None else length
    form = form or (7 if n < 126 else 16 if n < 1<<16 else 64)
    size = n if form==7 else 126 if form==16 else 127
    return bytes([fin<<7 | rsv<<4 | op, masked<<7 | size]) + (b'' if form==7 else n.to_bytes(form//8, 'big')) + (key + mask(data, key) if masked else data)


# The slow reader

class Wrong(Exception):
    def __init__(self, code): self.code = code

def slow(stream:bytes, inflates:bool):
    "What a whole stream says: messages and control frames, and the close code of what is wrong with it, if anything is"
    got,i,message = [],0,None # message: opcode, compressed?, data
    try:
        while len(stream)-i >= 2:
            first,second = stream[i:i+2]
            fin,rsv,op,n = first>>7,(first>>4)&7,first&15,second&127
            if op not in (0, 1, 2, 8, 9, 10): raise Wrong(1002)
            if rsv not in ((0, 4) if inflates and op in (1, 2) else (0,)): raise Wrong(1002)
            if not second>>7: raise Wrong(1002)
            if op>=8 and (not fin or n>125): raise Wrong(1002)
            if op==0 and message is None or op in (1, 2) and message is not None: raise Wrong(1002)
            i += 2
            if n>=126:
                k = 2 if n==126 else 8
                if len(stream)-i < k: break
                n = int.from_bytes(stream[i:i+k], 'big')
                i += k
            if n>>63: raise Wrong(1002)
            if op<8 and n + (len(message[2]) if message else 0) > max_size: raise Wrong(1009)
            if len(stream)-i < 4: break
            key,data = stream[i:i+4],stream[i+4:i+4+n]
            i += 4+n
            data = mask(data, key)
            if op>=8:
                if len(data)<n: break
                got.append((op, goodbye(data) if op==8 else data))
                continue
            message = (op or message[0], rsv==4 or bool(message and message[1]), (message[2] if message else b'')+data)
            whole = fin and len(data)==n
            if message[0]==TEXT and not message[1]: text(message[2], whole)
            if whole: got.append(finished(*message)); message = None
    except Wrong as e: return got,e.code
    return got,None

def text(data, whole):
    try: return data.decode()
    except UnicodeDecodeError as e:
        if whole or e.reason!='unexpected end of data': raise Wrong(1007) from None

def goodbye(data):
    if not data: return 1005,''
    if len(data)<2 or not is_close_code(int.from_bytes(data[:2], 'big')): raise Wrong(1002)
    return int.from_bytes(data[:2], 'big'),text(data[2:], True)

def finished(op, packed, data):
    if packed: data = unpacked(data)
    return op,text(data, True) if op==TEXT else data

def unpacked(data, blocks=2):
    "Byte by byte, so that it is clear what comes first: too much, or something wrong"
    if not data: return b''
    res,d,end = b'',zlib.decompressobj(-15),b'\0\0\xff\xff\1\0\0\xff\xff'
    rest = data if blocks==1 else data+end
    for i in range(len(rest)):
        try: res += d.decompress(rest[i:i+1])
        except zlib.error: raise Wrong(1002) from None
        if len(res)>max_size: raise Wrong(1009)
        if d.eof: break
    if not d.eof: raise Wrong(1002)
    if (rest := rest[i+1:]) in (b'', end): return res
    if blocks==1: raise Wrong(1002)
    if len(res := res+unpacked(rest, 1))>max_size: raise Wrong(1009)
    return res

def quick(pieces, inflates:bool):
    "The same of our reader, which gets it in pieces"
    reader,got = FrameReader(max_size, inflates),[]
    try:
        for o in pieces:
            if (text := reader.whole_text(o)) is not None: got.append((TEXT, text)); continue
            reader.feed(o)
            while m := reader.take(): got.append(m)
    except ProtocolError as e: return got,e.code
    return got,None


# Streams

samples = b'', b'x', 'Grüße'.encode(), '\U0001f388'.encode()*30, b'\xff', 'é'.encode()[:1], b'\xed\xa0\x80', b'\xed\x9f\xbf', b'a'*124+b'\xc3', b'y'*126, b'z'*299, b'w'*301

def some_frames(r:random.Random, inflates:bool)->bytes:
    "Frames that mostly follow each other as they should"
    res,open_ = b'',False
    for _ in range(r.randrange(1, 7)):
        key = bytes(r.randrange(256) for _ in range(4))
        if r.random()<.3:
            op = r.choice([PING, PONG, CLOSE])
            data = r.choice([b'', (1000).to_bytes(2, 'big')+b'bye', (r.randrange(900, 5100)).to_bytes(2, 'big'), b'\x03', b'\x03\xe8\xff']) if op==CLOSE else r.choice([b'', b'ping', b'p'*125])
            res += client_frame(op, data, key=key)
            continue
        fin,op,data,rsv = r.random()<.6,CONT if open_ else r.choice([TEXT, BINARY]),r.choice(samples if r.random()<.2 else samples[:3]),0
        if not open_ and r.random()<.5: data = ''.join(r.choice('abc é\U0001f388') for _ in range(r.randrange(150))).encode()
        if inflates and not open_ and fin and r.random()<.5:
            data,rsv = (b'\0' if not data else deflate(data)),4
        res += client_frame(op, data, fin, rsv, key=key, form=r.choice([None, None, None, 16, 64]))
        open_ = not fin
    return res

def some_stream(r:random.Random, inflates:bool)->bytes:
    "And often something is wrong with them"
    res,how = bytearray(some_frames(r, inflates)),r.random()
    if how<.2: res[r.randrange(len(res))] ^= 1<<r.randrange(8)
    elif how<.3: del res[r.randrange(len(res)):]
    elif how<.4: res[r.randrange(len(res)):0] = bytes(r.randrange(256) for _ in range(r.randrange(1, 9)))
    elif how<.5: res += client_frame(r.randrange(16), b'?', r.random()<.8, r.choice([0, 0, 1, 2, 4, 7]), r.random()<.8, length=r.choice([None, 1<<40, 1<<63]), form=r.choice([7, 16, 64][2:]))
    return bytes(res)

def some_pieces(r:random.Random, stream:bytes)->list[bytes]:
    how = r.random()
    if how<.1: return [stream]
    if how<.3: return [stream[i:i+1] for i in range(len(stream))]
    at = sorted({0, len(stream), *(r.randrange(len(stream)+1) for _ in range(r.randrange(1, 9)))})
    return [stream[a:b] for a,b in zip(at, at[1:])]

def too_much_or_wrong(a, b)->bool:
    "Did both find the same message broken, which zlib calls too large or wrong, whatever it sees first?"
    return a[0]==b[0] and {a[1],b[1]}=={1002,1009}

def look(seed:int)->tuple:
    "One stream of one seed, read by both"
    r = random.Random(seed)
    inflates = r.random()<.4
    stream = some_stream(r, inflates)
    a,b = slow(stream, inflates),quick(some_pieces(r, stream), inflates)
    assert a==b or too_much_or_wrong(a, b), f'seed {seed}: {stream!r}\nslow  {a}\nquick {b}'
    return b[1],len(b[0])

def look_at(seeds)->Counter:
    "How they ended"
    res = Counter()
    for seed in seeds:
        code,n = look(seed)
        res['streams'] += 1; res['things'] += n; res[f'closed with {code}' if code else 'nothing wrong'] += 1
    return res


def test_as_the_slow_reader():
    n = 20_000
    res = look_at(range(n))
    print(dict(res))
    assert res['streams']==n and min(res[f'closed with {o}'] for o in (1002, 1007, 1009))>n/100 and res['nothing wrong']>n/4


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_any_bytes(data, at, inflates):
    at = sorted({0, len(data), *(min(o, len(data)) for o in at)})
    a,b = slow(data, inflates),quick([data[i:j] for i,j in zip(at, at[1:])], inflates)
    assert a==b or too_much_or_wrong(a, b)


frames = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=125), st.binary(min_size=4, max_size=4), st.integers(1, 4)), max_size=6)

@settings(max_examples=500, deadline=None)
@given(frames, st.randoms(use_true_random=False))
def test_good_streams_as_websockets_reads_them(frames, r):
    "Its frames, with the pieces of a message put together"
    stream = b''
    for op,data,key,n in frames:
        if op==TEXT: data = data.hex().encode()
        if op in (TEXT, BINARY):
            size = len(data)//n+1
            parts = [data[i:i+size] for i in range(0, len(data)+1, size)]
            for i,o in enumerate(parts): stream += client_frame(CONT if i else op, o, i==len(parts)-1, key=key)
        else: stream += client_frame(op, data, key=key)
    theirs = Protocol(SERVER)
    theirs.receive_data(stream)
    expected,whole = [],[]
    for o in theirs.events_received():
        if o.opcode in (PING, PONG): expected.append((int(o.opcode), bytes(o.data))); continue
        whole.append(o)
        if o.fin:
            data = b''.join(x.data for x in whole)
            expected.append((int(whole[0].opcode), data.decode() if whole[0].opcode==TEXT else data))
            whole = []
    assert quick(some_pieces(r, stream), False)==(expected, None)


bad = {'reserved bit': client_frame(TEXT, b'x', rsv=2), 'compressed, not agreed': client_frame(TEXT, b'x', rsv=4), 'opcode': client_frame(3, b'x'), 'control opcode': client_frame(11),
       'not masked': client_frame(TEXT, b'x', masked=False), 'ping in pieces': client_frame(PING, b'x', fin=False), 'large ping': client_frame(PING, b'x'*126),
       'continuation of nothing': client_frame(CONT, b'x'), 'message in a message': client_frame(TEXT, b'x', fin=False)+client_frame(TEXT, b'x'),
       'too large': client_frame(BINARY, bytes(max_size+1)), 'close of one byte': client_frame(CLOSE, b'\x03'), 'close code': client_frame(CLOSE, b'\x03\xee'), 'close reason': client_frame(CLOSE, b'\x03\xe8\xff')}

@pytest.mark.parametrize('what', bad)
def test_what_is_wrong_has_the_code_of_websockets(what):
    theirs = Protocol(SERVER, max_size=max_size)
    theirs.receive_data(bad[what])
    assert theirs.close_sent.code==quick([bad[what]], False)[1]==slow(bad[what], False)[1]


@pytest.mark.parametrize('n', [1, 3, 1000])
def test_bytes_that_cannot_be_utf8_end_it_at_once(n):
    "Not at the end of their frame, nor of their message"
    good = 'κόσμε'.encode()*n
    stream = client_frame(TEXT, good+b'\xf4\x90\x80\x80'+good, fin=False)
    reader,head = FrameReader(),len(stream)-len(good)*2-4
    reader.feed(stream[:head+len(good)+1])
    assert reader.take() is None
    reader.feed(stream[head+len(good)+1:head+len(good)+2])
    with pytest.raises(ProtocolError) as e: reader.take()
    assert e.value.code==1007


def test_reader_keeps_nothing_of_what_was_taken():
    reader = FrameReader()
    for o in (client_frame(TEXT, b'x'*70_000), client_frame(TEXT, b'x'*70_000, fin=False)+client_frame(CONT), client_frame(PING, b'x')):
        reader.feed(o)
        assert reader.take() and not reader and reader._data==b'' and reader._part is None


def test_many_small_frames_in_one_piece_are_not_copied_again_and_again():
    reader,n = FrameReader(),50_000
    reader.feed(client_frame(TEXT, b'x')*n)
    assert sum(1 for _ in iter(reader.take, None))==n # a copy of the rest for each would be 9 GB


# Compression

@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=5000) | st.text(min_size=1, max_size=5000).map(str.encode), st.integers(9, 15))
def test_deflate_and_inflate(data, bits):
    assert inflate(deflate(data, bits), len(data))==data
    assert zlib.decompressobj(-bits).decompress(deflate(data, bits)+b'\0\0\xff\xff')==data # by whoever knows no more than that window
    if len(data)>1:
        with pytest.raises(ProtocolError) as e: inflate(deflate(data, bits), len(data)-1)
        assert e.value.code==1009


def test_messages_know_nothing_of_each_other():
    "In any order, and also what was compressed by several at once"
    from concurrent.futures import ThreadPoolExecutor
    datas = [b'<li id="%d">%b</li>' % (i, b'word %d ' % (i%7) * (i%90)) for i in range(2000)]
    with ThreadPoolExecutor(8) as pool: small = list(pool.map(deflate, datas))
    for i in random.Random(1).sample(range(2000), 2000): assert inflate(small[i])==datas[i]
    assert small==list(map(deflate, datas))


@pytest.mark.parametrize('data', [b'\xff\xff', b'\x07', deflate(b'x'*100)[:-3], bytes.fromhex('f348cdc9c90700')*3, b'\x03\x00'*100_000])
def test_what_cannot_be_inflated(data):
    with pytest.raises(ProtocolError) as e: inflate(data, 1000)
    assert e.value.code==1002


def test_websockets_reads_what_we_compress():
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    theirs = PerMessageDeflate(True, True, 15, 15)
    for n in (plain_below-1, plain_below, 70_000):
        data = b'<p>some text</p>'*(n//16+1)
        frame = packed_frame(TEXT, data[:n])
        assert bool(frame[0]&0x40)==(n>=plain_below)
    f = theirs.decode(Frame(TEXT, deflate(data), rsv1=True))
    assert f.data==data


def test_agree_as_websockets_does():
    "For every combination of what a client may offer, an answer that its client takes, and the same yes or no, but for a window of 8 bits"
    from itertools import product
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
    from websockets.headers import parse_extension
    n = 0
    for snct,cnct,smwb,cmwb in product([False, True], [False, True], [None, *range(8, 16)], [None, True, *range(9, 16)]):
        client = ClientPerMessageDeflateFactory(snct, cnct, smwb, cmwb)
        offer = '; '.join(['permessage-deflate', *(k if v is None else f'{k}={v}' for k,v in client.get_request_params())])
        answer,bits = agree(offer)
        if smwb==8: assert not bits; continue
        theirs,_ = ServerPerMessageDeflateFactory(True, True).process_request_params(parse_extension(offer)[0][1], [])
        assert bits==(smwb or 15) and theirs is not None
        got = dict(parse_extension(answer)[0][1])
        assert {'server_no_context_takeover','client_no_context_takeover'} <= set(got)
        client.process_response_params(list(got.items()), [])
        n += 1
    assert n>50


def test_frames_of_a_server():
    for n in (0, 125, 126, 65_535, 65_536):
        for op in (TEXT, BINARY): assert server_frame(op, b'x'*n)==Frame(op, b'x'*n).serialize(mask=False)
    assert close_frame(1000, 'é'*80)==Frame(CLOSE, (1000).to_bytes(2, 'big')+'é'.encode()*61).serialize(mask=False)


if __name__=='__main__': print(dict(look_at(range(int(sys.argv[1])))))
