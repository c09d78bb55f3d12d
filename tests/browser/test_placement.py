"""Where a reply ends up: every shape that a handler may send, in both htmx clients.

The page holds one of everything. A shape is named by the form, the handler answers with it, and the test compares the
whole content of the owning element with what it was before: what the shape says it changes, what it appends, and
nothing else. A second message after it shows that the connection still works, and because messages come in order,
that the first reply has been dealt with."""
import pytest
from fasthtml.common import Button, Div, Form, Input, Li, NotStr, Option, P, Select, Span, Table, Tbody, Td, Titled, Tr, Ul
from fasthtml.svg import Circle, Rect, Svg

from .kit import expect, until

owner = '#owner'


def controls():
    "The form that names a shape, and a field with half a sentence in it"
    return Form(Input(id='shape'), Input(id='draft'), Button('Send'), id='form', ws_send=True)


def things():
    "One of everything that a reply may aim at"
    return (Div(P('inner', id='inner'), id='outer'), Div('out', id='out'), Div('two', id='two'), Div(Span('log'), id='log'),
            Table(Tbody(Tr(Td('cell', id='cell'), id='row'), id='rows')),
            Ul(Li('item', id='item'), id='list'),
            Select(Option('option', value='a', id='opt'), id='pick'),
            Svg(Circle(r=4, id='dot'), w=9, h=9, id='pic'),
            Div('odd', id='a.b:c'), Div(id='pulse'))


def svg(): return Svg(Rect(width=3, height=3, id='box'), w=9, h=9, id='pic')

# What stands in the page before, by the id of the node that is a child of the owner.
table = '<table><tbody id="rows"><tr id="row"><td id="cell">{}</td></tr></tbody></table>'
select = '<select id="pick" name="pick">{}</select>'
mark = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" height="9" width="9" id="pic">{}</svg>'
old_table, new_option = table.format('cell'), '<option value="b" id="opt">new</option>'

# name: (what the handler returns, {node before: node after}, what is appended to the owner)
shapes = dict(
    one_root=(lambda: Div('new', id='out'), {'out': '<div id="out">new</div>'}, ''),
    several_roots=(lambda: (Div('new', id='out'), Div('too', id='two')),
        {'out': '<div id="out">new</div>', 'two': '<div id="two">too</div>'}, ''),
    a_list=(lambda: [Div('new', id='out'), Div('too', id='two')],
        {'out': '<div id="out">new</div>', 'two': '<div id="two">too</div>'}, ''),
    nested_ids=(lambda: Div(P('deep', id='inner'), id='outer'), {'outer': '<div id="outer"><p id="inner">deep</p></div>'}, ''),
    moved_id=(lambda: Div(P('deep', id='two'), id='out'), {'out': '<div id="out"><p id="two">deep</p></div>'}, ''),
    row=(lambda: Tr(Td('new', id='cell'), id='row'), {old_table: table.format('new')}, ''),
    cell=(lambda: Td('new', id='cell'), {old_table: table.format('new')}, ''),
    rows=(lambda: Tbody(Tr(Td('new', id='cell'), id='row'), id='rows'), {old_table: table.format('new')}, ''),
    row_without_id=(lambda: Tr(Td('new')), {}, '<tr><td>new</td></tr>'),
    cell_without_id=(lambda: Td('new'), {}, '<td>new</td>'),
    row_after_root=(lambda: (Div('new', id='out'), Tr(Td('new', id='cell'), id='row')),
        {'out': '<div id="out">new</div>', old_table: table.format('new')}, ''),
    row_after_text=(lambda: (P('a'), Tr(Td('new', id='cell'), id='row')), {old_table: table.format('new')}, '<p>a</p>'),
    cell_before_root=(lambda: (Td('new', id='cell'), Div('new', id='out')),
        {'out': '<div id="out">new</div>', old_table: table.format('new')}, ''),
    rows_and_text=(lambda: (Tr(Td('a')), P('b'), Tr(Td('c'))), {}, '<tr><td>a</td></tr><p>b</p><tr><td>c</td></tr>'),
    row_in_a_string=(lambda: '<div id="out">new</div>\n<tr id="row"><td id="cell">new</td></tr>',
        {'out': '<div id="out">new</div>', old_table: table.format('new')}, ''),
    option_after_root=(lambda: (Div('new', id='out'), Option('new', value='b', id='opt')),
        {'out': '<div id="out">new</div>', 'pick': select.format(new_option)}, ''),
    item=(lambda: Li('new', id='item'), {'list': '<ul id="list"><li id="item">new</li></ul>'}, ''),
    item_without_id=(lambda: Li('new'), {}, '<li>new</li>'),
    option=(lambda: Option('new', value='b', id='opt'), {'pick': select.format(new_option)}, ''),
    option_without_id=(lambda: Option('new', value='b'), {}, '<option value="b">new</option>'),
    whole_svg=(svg, {'pic': mark.format('<rect width="3" height="3" x="0" y="0" id="box"></rect>')}, ''),
    svg_without_id=(lambda: Svg(Circle(r=2), w=9, h=9), {}, mark.replace(' id="pic"', '').format('<circle r="2" cx="0" cy="0"></circle>')),
    no_id=(lambda: P('hello'), {}, '<p>hello</p>'),
    several_without_id=(lambda: (P('a'), P('b')), {}, '<p>a</p><p>b</p>'),
    with_and_without_id=(lambda: (P('a'), Div('new', id='out'), P('b')), {'out': '<div id="out">new</div>'}, '<p>a</p><p>b</p>'),
    id_inside_no_id=(lambda: P(Span('a', id='fresh')), {}, '<p><span id="fresh">a</span></p>'),
    text=(lambda: 'just text', {}, 'just text'),
    text_and_root=(lambda: ('just text', Div('new', id='out')), {'out': '<div id="out">new</div>'}, 'just text'),
    text_like_a_number=(lambda: '42', {}, '42'),
    json=(lambda: '{"html":"<div id=\\"out\\">new</div>"}', {}, ''), # for listeners of the page
    text_with_an_ampersand=(lambda: 'salt &amp; pepper', {}, 'salt &amp;amp; pepper'),
    nothing=(lambda: None, {}, ''),
    empty_text=(lambda: '', {}, ''),
    whitespace=(lambda: ' \n\t ', {}, ''),
    only_a_comment=(lambda: '<!-- nothing to see -->', {}, ''),
    html_in_whitespace=(lambda: '\n  <div id="out">new</div>\n\n', {'out': '<div id="out">new</div>'}, ''),
    html_in_comments=(lambda: '<!-- a --> <div id="out">new</div> <!-- b -->', {'out': '<div id="out">new</div>'}, ''),
    text_with_tags=(lambda: 'a<div id="out">new</div>b', {}, 'a&lt;div id="out">new&lt;/div>b'),
    not_str=(lambda: NotStr('<div id="out">new</div>'), {'out': '<div id="out">new</div>'}, ''),
    upper_case=(lambda: '<DIV ID="out">new</DIV>', {'out': '<div id="out">new</div>'}, ''),
    single_quotes=(lambda: "<div title='a>b' id='out'>new</div>", {'out': '<div title="a&gt;b" id="out">new</div>'}, ''),
    no_quotes=(lambda: '<div id=out>new</div>', {'out': '<div id="out">new</div>'}, ''),
    void_element=(lambda: '<hr><div id="out">new</div>', {'out': '<div id="out">new</div>'}, '<hr>'),
    unclosed_items=(lambda: '<ul id="list"><li>a<li>b</ul>', {'list': '<ul id="list"><li>a</li><li>b</li></ul>'}, ''),
    unclosed_bare_items=(lambda: '<li>a<li>b', {}, '<li>a</li><li>b</li>'),
    unclosed_item_before_another=(lambda: '<li id="item">new<li>b', {'list': '<ul id="list"><li id="item">new</li></ul>'}, '<li>b</li>'),
    unclosed_paragraph=(lambda: '<p>a<div id="out">new</div>', {'out': '<div id="out">new</div>'}, '<p>a</p>'),
    unclosed_root=(lambda: '<div id="out">new', {'out': '<div id="out">new</div>'}, ''),
    oob_append=(lambda: Div('more', hx_swap_oob='beforeend:#log'), {'log': '<div id="log"><span>log</span>more</div>'}, ''),
    oob_delete=(lambda: Div(id='two', hx_swap_oob='delete'), {'two': ''}, ''),
    oob_inner=(lambda: Div('new', hx_swap_oob='innerHTML:#out'), {'out': '<div id="out">new</div>'}, ''),
    oob_outer=(lambda: Div('new', id='out', hx_swap_oob='outerHTML'), {'out': '<div id="out">new</div>'}, ''),
    oob_true=(lambda: Div('new', id='out', hx_swap_oob='true'), {'out': '<div id="out">new</div>'}, ''),
    oob_data_prefix=(lambda: '<div id="out" data-hx-swap-oob="true">new</div>', {'out': '<div id="out">new</div>'}, ''),
    oob_beside_id=(lambda: (Div('more', hx_swap_oob='beforeend:#log'), Div('new', id='out')),
        {'log': '<div id="log"><span>log</span>more</div>', 'out': '<div id="out">new</div>'}, ''),
    oob_beside_no_id=(lambda: (Div('more', hx_swap_oob='beforeend:#log'), P('hello')),
        {'log': '<div id="log"><span>log</span>more</div>'}, '<p>hello</p>'),
    strange_id=(lambda: Div('new', id='a.b:c'), {'a.b:c': '<div id="a.b:c">new</div>'}, ''),
    oob_row=(lambda: (Div('new', id='out'), Tbody(Tr(Td('more')), hx_swap_oob='beforeend:#rows')),
        {'out': '<div id="out">new</div>', old_table: old_table.replace('</tbody>', '<tr><td>more</td></tr></tbody>')}, ''),
    oob_with_a_space=(lambda: Div('more', hx_swap_oob='beforeend:#owner #log'), {'log': '<div id="log"><span>log</span>more</div>'}, ''),
    body=(lambda: '<body><p>hello</p></body>', {}, '<p>hello</p>'),
    titled=(lambda: Titled('Title', P('hello')), {}, '<main class="container"><h1>Title</h1><p>hello</p></main>'),
    escaped_script=(lambda: Div('<script>window.pwned=1</script>', id='out'),
        {'out': '<div id="out">&lt;script&gt;window.pwned=1&lt;/script&gt;</div>'}, ''),
    escaped_script_without_id=(lambda: P('<script>window.pwned=1</script>'), {}, '<p>&lt;script&gt;window.pwned=1&lt;/script&gt;</p>'),
)


def make_app(web):
    "The app: `/` is the page, `/ws` answers with the shape that the form names"
    app = web.app()

    @app.get('/')
    def home(): return Titled('Shapes', Div(controls(), *things(), id='owner', hx_ext='ws', ws_connect='/ws'))

    @app.ws('/ws')
    async def shape(shape:str):
        if shape=='whole page': return f'<!doctype html><html><head><title>t</title></head><body><div id="out">{shape}</div></body></html>'
        return shapes[shape][0]() if shape in shapes else Div(shape, id='pulse' if shape=='pulse' else 'not-on-the-page')
    return app


def open_page(web):
    "The page, connected, with half a sentence in the form; the tests share a tab, and each loads the page anew"
    tab = web.shared('shapes', make_app)
    tab.page.evaluate("() => { document.querySelector('#draft').value = 'half a sentence'; document.querySelector('#shape').focus() }")
    tab.mark(owner, '#form', '#draft', '#shape')
    return tab


def submit(tab, text):
    "Send `text` as if Enter had been pressed in the form"
    tab.page.evaluate("t => { document.querySelector('#shape').value = t; document.querySelector('#form').requestSubmit() }", text)


def pulse(tab):
    "Send one more message over the same connection and wait for its answer"
    submit(tab, 'pulse')
    tab.wait("() => document.querySelector('#pulse')?.textContent == 'pulse'")


def content(tab): return [n for n in tab.nodes(owner) if 'id="pulse"' not in n]


def after(nodes, changes, tail):
    "What `nodes` of the owner are after `changes`, with `tail` appended"
    def new(n): return next((v for k,v in changes.items() if n==k or f'id="{k}"' in n.split('>')[0]), n)
    changed = [new(n) for n in nodes]
    assert not changes or changed != nodes, 'the shape changes nothing'
    return ''.join(changed)+tail


def check_kept(tab):
    "The owner, the form, what was typed, the focus and the connection are still the same ones"
    assert tab.same(owner, '#form', '#draft', '#shape')
    expect(tab('#draft')).to_have_value('half a sentence')
    expect(tab('#shape')).to_be_focused()
    assert len(tab.sockets)==1


@pytest.mark.parametrize('name', shapes)
def test_shape(web, name):
    _, changes, tail = shapes[name]
    tab = open_page(web)
    expected = after(content(tab), changes, tail)
    submit(tab, name)
    pulse(tab)
    assert ''.join(content(tab))==expected
    check_kept(tab)
    assert not tab.page.evaluate('window.pwned')


def test_id_that_is_not_on_the_page(web):
    "Nothing happens to the page; htmx 2 says so in the console"
    web.allow = ['htmx:oobErrorNoTarget']
    tab = open_page(web)
    before = content(tab)
    submit(tab, 'elsewhere')
    pulse(tab)
    assert content(tab)==before
    check_kept(tab)


def test_whole_page(web):
    "A page inside a page makes no sense, but it does no harm either"
    tab = open_page(web)
    before = content(tab)
    submit(tab, 'whole page')
    pulse(tab)
    assert content(tab)[:len(before)]==before or 'whole page' in tab('#out').inner_text()
    check_kept(tab)


def test_same_shape_twice(web):
    "What has an id is replaced, what has none piles up"
    tab = open_page(web)
    for _ in range(2): submit(tab, 'with_and_without_id')
    pulse(tab)
    expect(tab('#out')).to_have_count(1)
    assert ''.join(content(tab)).endswith('<p>a</p><p>b</p><p>a</p><p>b</p>')


def two_owners(web, paths):
    "A page with two owners; what each form sends comes back without an id"
    app = web.app()

    def block(i, path): return Div(
        Form(Input(id=f'box{i}', name='msg'), id=f'form{i}', ws_send=True), Div(id=f'pulse{i}'),
        id=f'owner{i}', hx_ext='ws', ws_connect=path)

    @app.get('/')
    def home(): return Titled('Two', *(block(i, p) for i,p in enumerate(paths)))

    async def reply(msg:str): return (P(msg), Div(msg, id='pulse'+msg[-1]))
    for p in dict.fromkeys(paths): app.ws(p)(reply)
    tab = web.tab(web.serve(app))
    tab.mark('#owner0', '#owner1', '#form0', '#form1')
    for i in (0, 1):
        tab.say(f'hello {i}', f'#box{i}')
        expect(tab(f'#pulse{i}')).to_have_text(f'hello {i}')
        expect(tab(f'#owner{i} > p').get_by_text(f'hello {i}')).to_have_count(1)
    assert tab.same('#owner0', '#owner1', '#form0', '#form1')
    until(lambda: len(tab.sockets)==2, 'two connections')
    return tab


def test_two_owners_of_one_path(web):
    "Each one shows its own reply, once; the other may show it too, since only the path tells them apart"
    two_owners(web, ['/ws', '/ws'])


def test_two_owners_of_two_paths(web):
    "Each one shows its own reply and nothing else"
    tab = two_owners(web, ['/one', '/two'])
    for i in (0, 1): expect(tab(f'#owner{i} > p')).to_have_text([f'hello {i}'])


def one_owner(web, url, path):
    "A page whose owner connects to `url`, which is a route at `path`; replies have no id"
    app = web.app()

    @app.get('/')
    def home(): return Titled('One', Div(Form(Input(id='msg'), id='form', ws_send=True), id='owner', hx_ext='ws', ws_connect=url))

    @app.ws(path)
    async def reply(msg:str): return P(msg)
    tab = web.tab(web.serve(app))
    tab.mark(owner, '#form')
    tab.say('hello')
    expect(tab('#owner > p')).to_have_text(['hello'])
    assert tab.same(owner, '#form')


def test_owner_with_a_path_parameter(web): one_owner(web, '/room/7', '/room/{room}')
def test_owner_with_a_query(web): one_owner(web, '/ws?room=7&lang=en', '/ws')
def test_owner_with_a_space_in_the_path(web): one_owner(web, '/room/tea%20time', '/room/{room}')
def test_owner_with_an_unescaped_space(web): one_owner(web, '/room/tea time', '/room/{room}')
def test_owner_with_a_comma_in_the_path(web): one_owner(web, '/room/a,b', '/room/{room}')
def test_owner_with_words_of_htmx_in_the_path(web): one_owner(web, '/room/a,body,document,b', '/room/{room}')
def test_owner_with_quotes_in_the_path(web): one_owner(web, '''/room/o'h"a''', '/room/{room}')
def test_owner_with_an_accent_in_the_path(web): one_owner(web, '/room/café', '/room/{room}')
def test_owner_with_a_relative_address(web): one_owner(web, 'ws', '/ws')
