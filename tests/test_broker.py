"What is published is delivered once, in order, and kept within its bounds."
import asyncio, json

import pytest
from hypothesis import given, settings, strategies as st

from fasthtml_ws.broker import Broker, MemoryBroker, Position, Publication, check_broker, check_topic
from fasthtml_ws.errors import ConfigError
from fasthtml_ws.policy import Keep


def test_memory_broker_keeps_the_contract(): asyncio.run(check_broker(MemoryBroker))


def test_contract_can_be_broken():
    class Forgetful(MemoryBroker):
        async def unsubscribe(self, topic): pass
    with pytest.raises(AssertionError, match='nothing after unsubscribe'): asyncio.run(check_broker(Forgetful))


@pytest.mark.parametrize('method, args', [('start', [print]), ('stop', []), ('publish', [Publication('t')]), ('subscribe', ['t']), ('unsubscribe', ['t']), ('history', ['t']), ('handled', ['c', 1]), ('last_handled', ['c'])])
def test_unfinished_broker_says_what_it_lacks(method, args):
    with pytest.raises(ConfigError, match=f'Broker has no `{method}`'): asyncio.run(getattr(Broker(), method)(*args))


def test_every_history_has_an_epoch_of_its_own():
    async def first(): return await MemoryBroker().publish(Publication('t'))
    a,b = asyncio.run(first()),asyncio.run(first())
    assert a.epoch!=b.epoch and a.offset==b.offset==1


def test_nothing_is_delivered_before_start_and_after_stop():
    got = []
    async def go():
        b = MemoryBroker()
        await b.subscribe('t')
        at = [await b.publish(Publication('t', raw='before'))]
        await b.start(got.append)
        at.append(await b.publish(Publication('t', raw='now')))
        await b.stop()
        at.append(await b.publish(Publication('t', raw='after')))
        return at,await b.history('t')
    at,(known,whole,_) = asyncio.run(go())
    assert [p.raw for p in got]==['now']
    assert [p.position for p in known]==at and whole and [o.offset for o in at]==[1,2,3]


def test_publication_of_a_delivery_comes_after_it():
    "What `deliver` publishes gets a later position, and is delivered once"
    async def go():
        b,got = MemoryBroker(),[]
        waiting = []
        def deliver(p):
            got.append(p)
            if p.raw=='a': waiting.append(asyncio.ensure_future(b.publish(Publication('t', raw='b'))))
        await b.start(deliver)
        await b.subscribe('t')
        await b.publish(Publication('t', raw='a'))
        await asyncio.gather(*waiting)
        return got
    got = asyncio.run(go())
    assert [(p.raw, p.position.offset) for p in got]==[('a', 1), ('b', 2)]


# History

names = ['a','b','c','d']
pubs = st.lists(st.tuples(st.sampled_from(names), st.sampled_from(['frames','raw','data']), st.integers(0, 30)), max_size=60)

def publication(topic, kind, n): return Publication(topic, **{kind: {'frames':(('x'*n,'y'),), 'raw':'x'*n, 'data':{'n':'x'*n}}[kind]})
def size(p): return sum(len(o) for f in p.frames for o in f) + len(p.raw or '') + (len(json.dumps(p.data)) if p.data is not None else 0)

class Plain:
    "The same history, as a list that is cut after each publication"
    def __init__(self, messages, bytes, topics): self.messages,self.bytes,self.topics,self.all,self.kept = messages,bytes,topics,[],{}
    def publish(self, p):
        self.all.append(p)
        row = self.kept.pop(p.topic, []) + [len(self.all)]
        while len(row)>self.messages or sum(size(self.all[o-1]) for o in row)>self.bytes: row = row[1:]
        self.kept[p.topic] = row # now the one that was published to last
        if len(self.kept)>self.topics: del self.kept[next(iter(self.kept))]
    def history(self, topic, since):
        after = [i for i,p in enumerate(self.all, 1) if p.topic==topic and i>since]
        return [o for o in self.kept.get(topic, []) if o>since], after

@settings(max_examples=300, deadline=None)
@given(pubs, st.integers(1, 8), st.integers(1, 120), st.integers(1, 4), st.integers(0, 60))
def test_history_is_that_of_a_plain_list(done, messages, bytes, topics, since):
    "It is what a plain list would keep; and it is never called whole when something is missing"
    async def go():
        b,plain = MemoryBroker(Keep(messages=messages, bytes=bytes), topics),Plain(messages, bytes, topics)
        for i,o in enumerate(done, 1):
            p = publication(*o)
            assert await b.publish(p)==Position(b.epoch, i)
            plain.publish(p)
            assert len(b._kept)<=topics and all(len(k.since(0))<=messages and k.bytes<=bytes and k.bytes==sum(map(size, k.since(0))) for k in b._kept.values())
        for t in names:
            known,whole,_ = await b.history(t, since)
            want,after = plain.history(t, since)
            assert [p.position.offset for p in known]==want and [p.raw for p in known]==[plain.all[o-1].raw for o in want]
            if whole: assert want==after, 'called whole, and something is missing'
            if topics==4: assert whole==(want==after), 'nothing is missing, and it is not called whole' # no topic was forgotten
    asyncio.run(go())


def test_one_publication_that_is_larger_than_the_bound_is_delivered_and_not_kept():
    async def go():
        b,got = MemoryBroker(Keep(bytes=10)),[]
        await b.start(got.append)
        await b.subscribe('t')
        await b.publish(Publication('t', raw='x'*11))
        return got,(await b.history('t'))[:2],(await b.history('t', 1))[:2]
    got,none,later = asyncio.run(go())
    assert len(got)==1 and none==([], False) and later==([], True)


# Names

@pytest.mark.parametrize('name', ['a', 'room:1', 'x'*200, 'Zürich/7?', '日本', '#'])
def test_names(name): assert check_topic(name)==name

@pytest.mark.parametrize('name', ['', ' ', 'a b', 'a\n', '\x00', 'x'*201, '@all', '@', 7, None, b'a', ['a'], 'a\u2028b', 'a\u00a0b'])
def test_names_that_are_refused(name):
    with pytest.raises(ConfigError, match='a topic is a text of 1 to 200 printable characters'): check_topic(name)
