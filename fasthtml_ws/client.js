/* The browser's half of fasthtml_ws.

htmx sees one socket for each owner (the element with ws-connect), which opens once and stays. Beneath it real sockets
come and go: each names the position up to which the page is current, so that the server sends what is missing, and what
the page sends is kept until the server says that it was handled. */
(() => {
'use strict'

// Two copies would each wrap the sockets of the other.
const loaded = Symbol.for('fasthtml_ws')
if (window[loaded]) return
window[loaded] = true

// All times are in ms.
const keptMost = 100         // messages that wait for a line
const sentMost = 1_000       // messages that wait to be handled, on a line that works: acknowledgements come a moment later
const silence = 18_000       // after which a line is taken for dead, until the server names another time
const firstDelay = 500, longestDelay = 30_000, jitter = 0.3
const steady = 2_000         // a connection that lasted this long starts the delays anew
const strangerAfter = 3_000  // without a greeting, for a page without a cursor
const healSpread = 2_000, healPause = 30_000, healPatience = 15_000

const refusalPatience = 15_000 // for the page's own address to say whether it leads away as well

// After these, and all from 4000 to 4999, coming back would end the same way.
const finalCodes = [1000, 1002, 1003, 1007, 1008, 1009, 1010]
const idleCode = 4408, refusedCodes = [4401, 4403]

const connectNames = ['ws-connect', 'hx-ws-connect', 'hx-ws:connect', 'hx-ws'].flatMap(name => [name, 'data-' + name])
const connectSelector = connectNames.map(name => `[${CSS.escape(name)}]`).join()
const urlOf = owner => connectNames.map(name => owner.getAttribute(name)).find(url => url !== null)

const isOurs = url => new URL(url, location.href).host === location.host
const sessionAddress = document.currentScript && new URL('session', document.currentScript.src)

const closing = ({code = 1005, reason = '', wasClean = true}) => new CloseEvent('close', {code, reason, wasClean})

function emit(owner, name, detail) {
    const cancelable = ['ws:missed', 'ws:refused'].includes(name)
    const event = new CustomEvent(name, {detail, bubbles: true, composed: true, cancelable})
    return (owner?.isConnected ? owner : document).dispatchEvent(event)
}

function randomId() {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return Array.from(crypto.getRandomValues(new Uint8Array(22)), n => letters[n & 63]).join('')
}


/* ---- The socket that htmx sees ---- */

const facades = new Set()      // those that are not over
const current = new WeakMap()  // owner -> its facade
const memories = new WeakMap() // owner -> what outlives a facade
let leaving = false            // between pagehide and pageshow

function memoryOf(owner) {
    const [token = '', position = ''] = owner?.getAttribute('ws-cursor')?.split('~') ?? []
    return {client: randomId(), token, position, number: 0, kept: [], greeted: false, healed: -Infinity}
}

/* `host` is what differs between the versions of htmx: make(url), asks(facade), lost(facade, event), prepare(html),
and settled(), which waits until all that htmx was given is in the page. */
class Facade extends EventTarget {
    CONNECTING = 0; OPEN = 1; CLOSING = 2; CLOSED = 3
    onopen = null; onmessage = null; onerror = null; onclose = null
    protocol = ''; extensions = ''; bufferedAmount = 0; binaryType = 'blob'
    owner = null; real = null; status = ''; next = null
    opened = false; over = false; plain = false; greeted = false; healing = false
    delivers = false                      // is htmx busy with a message of this one?
    text = null                           // a message that htmx 2 has been kept from
    pauses = false                        // is the line given up while the tab is hidden?
    attempts = 0; notBefore = 0; beat = silence

    constructor(url, host) {
        super()
        Object.assign(this, {url, host})
        for (const type of ['open', 'message', 'error', 'close']) this.addEventListener(type, event => this['on' + type]?.(event))
        facades.add(this)
    }

    get readyState() { return this.over ? this.CLOSED : this.opened ? this.OPEN : this.CONNECTING }

    get address() {
        const {client, position, token} = this.memory
        return this.url + (this.url.includes('?') ? '&' : '?') + 'ws-at=' + encodeURIComponent(`${client}~${position}~${token}`)
    }

    // htmx 2 connects an owner again whenever it processes it again, and forgets the socket that it had.
    attach(owner) {
        this.owner = owner
        this.memory = memories.get(owner) ?? memoryOf(owner)
        if (owner) {
            current.get(owner)?.retire()
            current.set(owner, this)
            memories.set(owner, this.memory)
        }
        this.show('connecting')
    }

    // What htmx and apps call

    send(data) {
        if (this.over) return
        if (this.plain || typeof data !== 'string') return void (this.real?.readyState === 1 && this.real.send(data))
        const {kept} = this.memory, limit = this.status === 'open' ? sentMost : keptMost
        if (kept.length >= limit) return void emit(this.owner, 'ws:overflow', {message: data, limit})
        const message = {number: ++this.memory.number, data}
        kept.push(message)
        if (this.status === 'open') this.transmit(message)
        else if (this.status === 'closed') this.connect()
    }

    close(code, reason) {
        if (this.over) return
        // htmx 4 closes every socket at pagehide, though the page may come back from the bfcache.
        if (leaving) return this.rest()
        this.unplug()?.close(code, reason)
        this.end({code, reason})
    }

    // Real sockets

    connect() {
        clearTimeout(this.retry)
        if (this.over || this.real || this.healing) return
        this.show(this.status === 'offline' ? 'offline' : 'connecting')
        if (this.isOrphan() || !this.host.asks(this)) return this.close(1000)
        this.adopt(this.host.make(this.address))
    }

    adopt(real) {
        this.real = real
        this.beat = silence
        const whileCurrent = f => event => { if (this.real === real) f.call(this, event) }
        real.addEventListener('open', whileCurrent(this.answered))
        real.addEventListener('message', whileCurrent(this.hear))
        real.addEventListener('close', whileCurrent(this.lose))
        this.watch()
    }

    // On a dead line the close event of a socket may take minutes, so from here on the old one is not heard.
    unplug() {
        const {real} = this
        this.real = null
        this.plain = this.greeted = false
        for (const timer of [this.retry, this.watchdog, this.stranger]) clearTimeout(timer)
        return real
    }

    watch() {
        this.heardAt = Date.now()
        clearTimeout(this.watchdog)
        if (this.beat) this.watchdog = setTimeout(() => this.drop(), this.beat)
    }

    drop() {
        this.unplug()?.close()
        this.lose({code: 1006, reason: '', wasClean: false})
    }

    lose(ended) {
        const {code, reason} = ended, wasOpen = this.status === 'open', {greeted} = this
        this.unplug()
        if (code === idleCode) return this.doze(ended)
        if (finalCodes.includes(code) || code >= 4000) {
            this.end(ended)
            if (refusedCodes.includes(code)) this.refused(code, reason, greeted)
            return
        }
        if (wasOpen && Date.now() - this.openedAt > steady) this.attempts = 0
        this.later(this.delayAsked(reason) ?? this.backoff())
        this.host.lost(this, closing(ended))
    }

    // A connection that was open is closed by the app itself, which knows where the page has to go. One that was never
    // opened says nothing about the page, which may be public.
    async refused(code, reason, greeted) {
        const target = isAddress(reason) ? reason : '', page = location.href
        const leads = !!target && (greeted || await leadsTo(target)), follows = leads && location.href === page
        if (emit(this.owner, 'ws:refused', {code, location: target, follows}) && follows) location.assign(target)
    }

    delayAsked(reason) {
        const [, ms] = /^retry-after-ms=(\d{1,9})$/.exec(reason) ?? []
        this.notBefore = ms ? Date.now() + Number(ms) : 0
        return ms && Number(ms)
    }

    backoff() {
        const spread = 1 + jitter * (2 * Math.random() - 1)
        return Math.min(longestDelay, firstDelay * 2 ** this.attempts++ * spread)
    }

    later(ms) {
        if (this.pauses && document.hidden) return this.show('offline')
        this.show('offline', Date.now() + ms)
        this.retry = setTimeout(() => this.connect(), ms)
    }

    // The server let go of a user who did nothing; the next message brings the line back.
    doze(ended) {
        this.show('closed')
        this.host.lost(this, closing(ended))
        if (this.memory.kept.length) this.connect()
    }

    // Without a line until something wakes it: a hidden tab, a page in the bfcache, a page that heals.
    rest() {
        // Chromium complains about a socket that is closed while it opens; a page that is left takes it along without a word.
        if (leaving && this.real?.readyState === 0) return
        const wasOpen = this.status === 'open'
        this.unplug()?.close(1000)
        if (this.status !== 'closed') this.show('offline')
        if (wasOpen) this.host.lost(this, closing({code: 1000}))
    }

    wake() {
        if (this.over || this.status === 'closed') return
        // Timers stand still while a computer sleeps.
        if (this.real && this.beat && Date.now() - this.heardAt > this.beat) this.drop()
        if (this.real) return
        clearTimeout(this.retry)
        this.attempts = 0
        const wait = this.notBefore - Date.now()
        if (wait > 0) this.later(wait)
        else this.connect()
    }

    // What the server says

    answered() {
        const {token, greeted} = this.memory
        if (!token && !greeted) this.stranger = setTimeout(() => this.settleForPlain(), strangerAfter)
    }

    hear({data}) {
        if (this.isOrphan()) return this.close(1000)
        this.watch()
        this.mirror()
        const [html, note] = split(data)
        if (note?.startsWith('{')) return this.obey(JSON.parse(note))
        if (!this.memory.greeted && !this.plain) this.settleForPlain()
        if (html) this.deliver(html)
        if (isAfter(note, this.memory.position)) this.memory.position = note
    }

    deliver(data) {
        this.delivers = true
        this.text = null
        this.dispatchEvent(new MessageEvent('message', {data: this.host.prepare(data)}))
        this.delivers = false
    }

    // Whoever answers does not speak our protocol: messages go as they are, and silence means nothing.
    settleForPlain() {
        this.plain = true
        this.beat = 0
        clearTimeout(this.watchdog)
        for (const {data} of this.memory.kept.splice(0)) this.real.send(data)
        this.opens()
    }

    obey({hello, beat, acked, ack, cursor, at, missed, session}) {
        if (hello) this.greet(beat, acked)
        if (ack !== undefined) this.forget(ack)
        if (cursor !== undefined) this.memory.token = cursor
        if (at !== undefined) this.memory.position = String(at)
        if (session) keepSession(session)
        if (missed) this.miss(missed)
    }

    greet(beat = silence / 1000, acked = 0) {
        clearTimeout(this.stranger)
        this.plain = false
        this.greeted = this.memory.greeted = true
        this.beat = beat * 1000
        this.watch()
        this.forget(acked)
        for (const message of this.memory.kept) this.transmit(message)
        this.opens()
    }

    // A line that is back has opened again: apps say at every opening what the server has to know.
    opens() {
        this.openedAt = Date.now()
        this.opened = true
        this.show('open')
        this.dispatchEvent(new Event('open'))
    }

    transmit({number, data}) { this.real.send(`${number} ${data}`) }

    forget(number) { this.memory.kept = this.memory.kept.filter(message => message.number > number) }

    miss(missed) {
        const {owner, memory} = this
        const may = !!owner && owner.getAttribute('ws-heal') !== 'off' && Date.now() - memory.healed > healPause
        this.tellMissed(missed, missed === 'page' && may ? Math.random() * healSpread : null)
    }

    // `wait` is null if nothing will be done about it.
    tellMissed(missed, wait) {
        const heals = wait !== null
        if (!emit(this.owner, 'ws:missed', {missed, heals}) || !heals) return
        clearTimeout(this.cure)
        this.cure = setTimeout(() => this.heal(), wait)
    }

    // The line stays until the new content is here: a page that cannot be fetched loses nothing more.
    async heal() {
        if (this.over) return
        this.memory.healed = Date.now()
        const fresh = await newOwner(this.owner)
        if (this.over) return
        if (!fresh) return this.tellMissed('page', fresh === null ? null : healPause)
        this.healing = true
        this.rest()
        await this.host.settled()
        try {
            if (!this.over) await swapContent(this.owner, fresh)
        } finally {
            const token = fresh.getAttribute('ws-cursor') ?? ''
            Object.assign(this.memory, {token, position: ''})
            this.healing = false
            if (!leaving) this.wake()
        }
    }

    // What can be seen

    show(status, next = null) {
        if (status === this.status && next === this.next) return
        Object.assign(this, {status, next})
        this.mirror()
        emit(this.owner, 'ws:status', {status, next})
    }

    // Again with every frame, as a morph of the owner takes our attributes away.
    mirror() {
        const {owner, status, next} = this
        if (owner?.getAttribute('ws-status') !== status) owner?.setAttribute('ws-status', status)
        if (next) owner?.setAttribute('ws-next', Math.round(next))
        else owner?.removeAttribute('ws-next')
    }

    isOrphan() { return !!this.owner && !this.owner.isConnected }

    // The end

    retire() {
        this.over = true
        facades.delete(this)
        this.unplug()?.close(1000)
    }

    end(ended) {
        this.retire()
        this.show('closed')
        // Later, as a socket would: htmx is still busy with whatever made it close this one.
        queueMicrotask(() => this.dispatchEvent(closing(ended)))
    }
}

/* The HTML of a frame, and what the comment at its end says; null if there is none. */
function split(data) {
    const start = typeof data === 'string' ? data.lastIndexOf('<!--ws') : -1
    const found = start >= 0 && /^<!--ws(?: ([^<>]*))?-->$/.exec(data.slice(start))
    return found ? [data.slice(0, start), found[1] ?? ''] : [data, null]
}

/* Does position `a` come after `b`? "17-1" is one frame of publication 17, and "17" all of them. What is sent first after a replay may be older than its end. */
function isAfter(a, b) {
    if (!a || !b) return !!a
    const [[offset, frames = Infinity], [offset2, frames2 = Infinity]] = [a, b].map(position => position.split('-').map(Number))
    return offset > offset2 || offset === offset2 && frames > frames2
}

/* Is `reason` an address that a page may be sent to? "//host" is another host, and so are "/\host" and "/", tab, "/host" to a browser. */
function isAddress(reason) { return /^(https?:\/\/|\/(?![/\\]))[^\s\0-\x1f]*$/i.test(reason) }

/* Does the page's own address lead to `target` now? Query and fragment do not count: they often name the page to come back to. */
async function leadsTo(target) {
    const signal = AbortSignal.timeout(refusalPatience), headers = {Accept: 'text/html'}
    const answer = (url, redirect) => fetch(url, {redirect, signal, headers, cache: 'no-store'}).catch(() => null)
    const place = url => { const {origin, pathname} = new URL(url, location.href); return origin + pathname }
    const page = await answer(location.href, 'follow')
    // A redirect to another origin, where a login may be, cannot be read; that there is one can be seen.
    if (!page) return (await answer(location.href, 'manual'))?.type === 'opaqueredirect'
    const asked = page.headers.get('hx-redirect')
    if (asked) return place(asked) === place(target)
    if (!page.redirected) return false
    if (place(page.url) === place(target)) return true
    // `target` may redirect as well.
    const end = await answer(target, 'follow')
    return !!end && place(end.url) === place(page.url)
}

/* One at a time: each answer sets the whole cookie, and would undo what another has just added. */
let sessions = Promise.resolve()
function keepSession(token) {
    const post = () => fetch(sessionAddress, {method: 'POST', body: new URLSearchParams({token}), keepalive: true})
    if (sessionAddress) sessions = sessions.then(post).catch(() => {}) // the server logs what nobody came for
}


/* ---- Messages that are not HTML ---- */

/* HTML begins with a tag; what only HTML takes for blank may stand before it. */
function isHtml(text) { return /^[ \t\n\f\r]*</.test(text) }

/* An object or an array. A number, a word or a text in quotes is more often something that a user typed. */
function isJson(text) {
    if (!/^[ \t\n\r]*[{[]/.test(text)) return false
    try { JSON.parse(text) }
    catch { return false }
    return true
}


/* ---- Appends of what is there already ---- */

const appendValue = /^(beforebegin|afterbegin|beforeend|afterend)(?::(.+))?$/s
let spots = 0

/* `html`, in which an append of an element that the page has is a replacement, if it stands where it would be appended,
or else a move. Both are said in swaps of htmx, which knows how to clean up. What has a root of its own in the frame is
left to that. */
function appendOnce(html) {
    if (!/^\s*</.test(html) || !/swap-oob\s*=\s*["']?(before|after)/.test(html)) return html
    const template = document.createElement('template')
    template.innerHTML = html
    const found = [...template.content.children].filter(appendOnceIn)
    return found.length ? template.innerHTML : html
}

/* True if something in the append `wrapper` was there. */
function appendOnceIn(wrapper) {
    const value = wrapper.getAttribute('hx-swap-oob') ?? wrapper.getAttribute('data-hx-swap-oob') ?? ''
    const [, style, selector = '#' + CSS.escape(wrapper.id)] = appendValue.exec(value) ?? []
    const targets = style ? find(selector) : []
    const containers = targets.map(target => ['beforeend', 'afterbegin'].includes(style) ? target : target.parentElement)
    const roots = [...wrapper.parentNode.children].map(root => root.id)
    const isLeft = item => !item.id || roots.includes(item.id) || !isThere(item, targets)
    const there = targets.length ? [...wrapper.children].filter(item => !isLeft(item)) : []
    for (const item of there) {
        const old = withId(item.id).find(element => containers.includes(element.parentElement))
        if (!old) wrapper.before(swapLike(wrapper, 'delete', item.id))
        else if (isSame(old, item)) item.remove()
        else replaceIn(wrapper, old, item)
    }
    if (there.length && !wrapper.childElementCount) wrapper.remove()
    return there.length > 0
}

/* Selectors that only htmx understands find nothing. */
function find(selector) {
    try { return [...document.querySelectorAll(selector)] }
    catch { return [] }
}

const withId = id => find('#' + CSS.escape(id))

function isThere(item, targets) {
    const found = withId(item.id)
    return found.length > 0 && !found.some(element => targets.some(target => element.contains(target)))
}

/* An element that says `swap` to htmx. It has the tag of the wrapper: a row, say, is parsed only beside other parts of tables. */
function swapLike(wrapper, swap, id = '') {
    const element = document.createElementNS(wrapper.namespaceURI, wrapper.localName)
    if (id) element.id = id
    element.setAttribute('hx-swap-oob', swap)
    return element
}

/* The old one goes first, as htmx 2 lends its attributes to the new one; a template, which may stand anywhere, keeps the place. */
function replaceIn(wrapper, old, item) {
    const spot = document.createElement('template'), here = `[ws-spot="${++spots}"]`
    spot.setAttribute('ws-spot', spots)
    old.before(spot)
    const holder = swapLike(wrapper, 'beforebegin:' + here)
    holder.append(item)
    wrapper.before(swapLike(wrapper, 'delete', item.id), holder, swapLike(wrapper, 'delete:' + here))
}

/* Then it stays, with what was typed into it. */
function isSame(old, item) {
    const copy = old.cloneNode(true)
    for (const element of [copy, ...copy.querySelectorAll('*')]) {
        element.removeAttribute('data-htmx-powered')
        if (!element.classList.length) element.removeAttribute('class')
    }
    return copy.isEqualNode(item)
}


/* ---- Healing: the content of an owner anew, and in it what the user was doing ---- */

/* The owner as the address of the page has it now; null if it is not there, undefined if nothing came. */
async function newOwner(owner) {
    const options = {cache: 'no-store', headers: {Accept: 'text/html'}, signal: AbortSignal.timeout(healPatience)}
    const text = await fetch(location.href, options).then(response => response.ok ? response.text() : undefined).catch(() => {})
    if (text === undefined) return undefined
    const isPeer = other => owner.id ? other.id === owner.id : urlOf(other) === urlOf(owner)
    const peers = root => [...root.querySelectorAll(connectSelector)].filter(isPeer)
    return peers(new DOMParser().parseFromString(text, 'text/html'))[peers(document).indexOf(owner)] ?? null
}

async function swapContent(owner, fresh) {
    // They would pull elements out of the content, or take the focus.
    for (const name of ['hx-swap-oob', 'data-hx-swap-oob', 'autofocus'])
        for (const element of fresh.querySelectorAll(`[${name}]`)) element.removeAttribute(name)
    const restore = remember(owner), text = fresh.innerHTML
    const done = htmx.registerExtension
        ? htmx.swap({sourceElement: owner, target: owner, swap: 'innerHTML', text, transition: false})
        : htmx.swap(owner, text, {swapStyle: 'innerHTML', swapDelay: 0, settleDelay: 0, transition: false, ignoreTitle: true})
    // Both have swapped before they return, so nobody sees the fields empty.
    restore()
    await done
}

/* A function that does to the owner's content what the user has done to it so far. */
function remember(owner) {
    const fields = [...fieldsOf(owner)], typed = fields.filter(([, field]) => isTyped(field)), scrolls = scrollsOf(owner)
    const focused = owner.contains(document.activeElement) ? document.activeElement : null
    const [focusKey] = fields.find(([, field]) => field === focused) ?? []
    const {selectionStart: start, selectionEnd: end, selectionDirection: direction} = focused ?? {}
    return () => {
        const now = fieldsOf(owner)
        for (const [key, field] of typed) if (now.get(key)?.type === field.type) copyTyped(field, now.get(key))
        const focus = now.get(focusKey) ?? (focused?.id && document.getElementById(focused.id))
        if (focus) focus.focus({preventScroll: true})
        if (focus && typeof start === 'number') focus.setSelectionRange?.(start, end, direction)
        for (const scroll of scrolls) scroll()
    }
}

/* Fields by what makes them the same in two renderings: their id, or their name within the nearest element that has one. */
function fieldsOf(owner) {
    const fields = new Map()
    for (const field of owner.querySelectorAll('input, textarea, select')) {
        const {id, type, name} = field, choice = isChoice(field) && field.value
        const place = id ? '#' + id : JSON.stringify([field.closest('[id]')?.id, type, name, choice])
        let key = place
        for (let n = 2; fields.has(key); n++) key = place + n
        fields.set(key, field)
    }
    return fields
}

const isChoice = field => field.type === 'checkbox' || field.type === 'radio'

function isTyped(field) {
    if (isChoice(field)) return field.checked !== field.defaultChecked
    if (field.options) return [...field.options].some(option => option.selected !== option.defaultSelected)
    return field.files ? field.files.length > 0 : field.value !== field.defaultValue
}

function copyTyped(from, to) {
    if (isChoice(from)) to.checked = from.checked
    else if (from.files) to.files = from.files
    else if (!from.options) to.value = from.value
    else for (const {value, selected} of from.options) {
        const same = [...to.options].find(option => option.value === value)
        if (same) same.selected = selected
    }
}

/* A box that was read to its end, as a chat is, stays at its end. */
function scrollsOf(owner) {
    const boxes = [owner, ...owner.querySelectorAll('[id]')].filter(box => box.scrollTop || box.scrollLeft)
    return boxes.map(old => {
        const {scrollTop, scrollLeft, scrollHeight, clientHeight} = old
        const wasAtEnd = scrollHeight - clientHeight - scrollTop < 2
        return () => {
            const box = old.isConnected ? old : document.getElementById(old.id)
            box?.scrollTo({top: wasAtEnd ? box.scrollHeight : scrollTop, left: scrollLeft, behavior: 'instant'})
        }
    })
}


/* ---- htmx 2 ---- */

/* The ws extension asks htmx.createWebSocket for a socket, and says right after whom it is for. */
function joinHtmx2() {
    const {htmx} = window
    if (!htmx || htmx.registerExtension) return
    const own = htmx.createWebSocket ?? (url => new WebSocket(url, []))
    const make = url => Object.assign(own(url), {binaryType: htmx.config.wsBinaryType ?? 'blob'})
    const tell = (facade, name, detail) => htmx.trigger(facade.owner ?? document.body, name, detail)
    const host = {
        make,
        prepare: appendOnce,
        settled() {},
        asks(facade) {
            // ws.js itself tells of the first attempt.
            if (facade.openedAt || facade.attempts) tell(facade, 'htmx:wsConnecting', {event: {type: 'connecting'}})
            return true
        },
        lost(facade, event) {
            const socketWrapper = facade.owner?.['htmx-internal-data']?.webSocket?.publicInterface
            tell(facade, 'htmx:wsClose', {event, socketWrapper})
        },
    }
    showTextInHtmx2()
    let fresh = null
    htmx.createWebSocket = url => {
        if (!isOurs(url)) return make(url)
        const facade = fresh = new Facade(url, host)
        queueMicrotask(() => {
            if (!facade.memory) facade.attach(null)
            facade.connect()
        })
        return facade
    }
    document.addEventListener('htmx:wsConnecting', event => {
        fresh?.attach(event.target)
        fresh = null
    }, true)
    // A snapshot of the page, shown again later, is current up to here.
    document.addEventListener('htmx:beforeHistorySave', () => {
        for (const {owner, memory} of facades) if (memory.token) owner?.setAttribute('ws-cursor', `${memory.token}~${memory.position}`)
    })
}

/* What is not HTML goes no further than to the last extension, which is this one; the events around it stay as they are. */
function showTextInHtmx2() {
    htmx.defineExtension('fasthtml_ws', {transformResponse(text, xhr, owner) {
        const facade = current.get(owner)
        if (!facade?.delivers || xhr || typeof text !== 'string' || isHtml(text)) return text
        facade.text = text
        if (!isJson(text)) owner.append(text)
        return ''
    }})
    const root = document.documentElement, named = root.getAttribute('hx-ext') ?? root.getAttribute('data-hx-ext')
    root.setAttribute('hx-ext', named ? named + ',fasthtml_ws' : 'fasthtml_ws')
    addEventListener('htmx:wsAfterMessage', ({target, detail}) => {
        const facade = current.get(target)
        if (typeof facade?.text !== 'string') return
        detail.message = facade.text
        facade.text = null
    }, true)
}

if (window.htmx) joinHtmx2()
else document.addEventListener('DOMContentLoaded', joinHtmx2)


/* ---- htmx 4 ---- */

const connections = new WeakMap() // connection of hx-ws -> its facade

/* hx-ws makes a real socket and puts it into its connection. There the facade takes it, and shows itself instead. */
function joinConnection(event) {
    const {connection} = event.detail, owner = event.target
    if (event.defaultPrevented || connection.cancelled || !(owner instanceof Element)) return
    const known = connections.get(connection)
    if (known && !known.over || !isOurs(connection.url)) return
    const facade = new Facade(connection.url, hostOf(connection, event.type))
    connections.set(connection, facade)
    facade.attach(owner)
    facade.pauses = !!connection.config.pauseOnBackground
    connection.config.pauseOnBackground = false
    let adopted = false
    const shared = {configurable: true, enumerable: true}
    Object.defineProperty(connection, 'url', {...shared, get: () => adopted ? facade.url : facade.address, set: url => { facade.url = url }})
    Object.defineProperty(connection, 'socket', {...shared, get: () => adopted ? facade : null, set: real => {
        if (!real) return
        adopted = true
        facade.adopt(real)
    }})
}

function hostOf(connection, beforeConnection) {
    const wsClose = beforeConnection.replace(/before.connection$/, 'close')
    return {
        make: url => new WebSocket(url, connection.config.protocols),
        // Not yet: what came before may still wait for its turn in hx-ws.
        prepare: html => html,
        settled: () => connection.receiving,
        // Apps may change the url or cancel, at every attempt.
        asks(facade) {
            connection.cancelled = false
            return htmx.trigger(facade.owner, beforeConnection, {connection}) && !connection.cancelled
        },
        lost(facade, {code}) { htmx.trigger(facade.owner, wsClose, {connection, reason: 'closed', code}) },
    }
}

function prepareMessage(event) {
    const {connection, message, cancelled} = event.detail
    if (!connections.has(connection) || cancelled || event.defaultPrevented) return
    if (typeof message.data === 'string') message.data = appendOnce(message.data)
}

/* hx-ws reads JSON by itself, and of JSON it swaps in only what an envelope holds. Any other text it would parse as HTML, in place
of what the owner has. This promise settles after those of the app, which may change the message or cancel it. */
function showTextInHtmx4(event) {
    const {detail, target: owner} = event, {connection, message, waitUntil} = detail
    if (!connections.has(connection) || typeof message.data !== 'string' || isHtml(message.data)) return
    const pending = []
    detail.waitUntil = promise => { pending.push(promise); waitUntil(promise) }
    waitUntil(Promise.resolve().then(() => Promise.all(pending)).then(() => {
        const {data} = message
        if (event.defaultPrevented || detail.cancelled || typeof data !== 'string' || isHtml(data) || isJson(data)) return
        owner.append(data)
        detail.cancelled = true
        htmx.trigger(owner, event.type.replace('before', 'after'), {connection, message})
        // With no swap there is no event of one; FastHTML's own script, which measures the page, knows this name too.
        htmx.trigger(owner, ['htmx', 'after', 'ws', 'message'].join(event.type[4]), {connection, message})
    }))
}

// On the window, which hears an event after the rest of the page: what apps change or cancel counts.
for (const mark of [':', '-']) {
    const incoming = ['htmx', 'ws', 'before', 'message', 'incoming'].join(mark)
    addEventListener(['htmx', 'ws', 'before', 'connection'].join(mark), joinConnection)
    addEventListener(incoming, showTextInHtmx4, true)
    addEventListener(incoming, prepareMessage)
}

/* hx-ws adds its own names to elements that have those of htmx 2, and warns of each. Here they get them first, and hx-ws does
not see the old ones, which stay for the app's own selectors. It asks in the same turn as this. */
function nameForHtmx4(root) {
    const {metaCharacter, prefix} = htmx.config, old = ['ws-connect', 'ws-send']
    const named = (name, prefix) => prefix + name.replace('-', metaCharacter || ':')
    const elements = [root, ...root.querySelectorAll('[ws-connect],[ws-send]')].filter(element => element.matches?.('[ws-connect],[ws-send]'))
    for (const element of elements) {
        for (const name of old) {
            const names = [named(name, 'hx-'), named(name, prefix || 'hx-')]
            if (element.hasAttribute(name) && !names.some(other => element.hasAttribute(other))) element.setAttribute(names[1], element.getAttribute(name))
        }
        element.hasAttribute = name => !old.includes(name) && Element.prototype.hasAttribute.call(element, name)
    }
    queueMicrotask(() => { for (const element of elements) delete element.hasAttribute })
}

function joinHtmx4() { window.htmx?.registerExtension?.('fasthtml_ws', {htmx_after_process: nameForHtmx4}) }

if (window.htmx) joinHtmx4()
else document.addEventListener('DOMContentLoaded', joinHtmx4)


/* ---- The page ---- */

document.addEventListener('visibilitychange', () => facades.forEach(facade => {
    if (!document.hidden) facade.wake()
    else if (facade.pauses && facade.status === 'open') facade.rest()
}))

// After a change of network the old connections are dead, and nothing says so.
addEventListener('online', () => facades.forEach(facade => {
    if (facade.real) facade.rest()
    facade.wake()
}))

// Captured, and so before htmx 4 closes its sockets. The bfcache takes no page with an open one.
addEventListener('pagehide', () => {
    leaving = true
    facades.forEach(facade => facade.rest())
}, true)

addEventListener('pageshow', () => {
    leaving = false
    facades.forEach(facade => { if (facade.status === 'offline') facade.wake() })
})

// A sheet of this kind needs no permission from the page's policy, and rules in a layer give way to those of the app.
const sheet = new CSSStyleSheet()
sheet.replaceSync(`@layer fasthtml_ws {
    [ws-status=offline]::after {
        content: var(--ws-offline, "Reconnecting …"); position: fixed; bottom: 1em; left: 50%; translate: -50%;
        z-index: 2147483647; pointer-events: none; padding: .3em 1em; border-radius: 1em;
        font: 14px/1.4 system-ui, sans-serif; color: #fff; background: #333d; animation: fasthtml-ws-late 1s step-end;
    }
    @keyframes fasthtml-ws-late { from { visibility: hidden } }
}`)
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
})()
