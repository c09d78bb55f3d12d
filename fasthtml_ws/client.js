/* The browser's half of fasthtml_ws.

htmx sees one socket per owner (the element with ws-connect), which opens once and stays open. Beneath it real sockets come and go; each names the position up to
which the page is current, so that the server sends what is missing, and what the page sent is kept until the server says that it was handled. */
(() => {
'use strict'

// Two copies would each wrap the other's sockets.
const loaded = Symbol.for('fasthtml_ws')
if (window[loaded]) return
window[loaded] = true

const keptMost = 100          // messages that wait to be acknowledged
const silence = 18_000        // ms after which a line is taken for dead, until the server says otherwise
const firstDelay = 500, longestDelay = 30_000, jitter = 0.3
const steady = 2_000          // ms a connection has to last, or the next delay is longer still
const strangerAfter = 3_000   // ms an open connection may stay silent if the page has no cursor
const healSpread = 2_000      // ms over which the pages that heal at once ask for themselves
const healPause = 30_000, healPatience = 15_000

// These mean that coming back would end the same way, as do all from 4000 to 4999.
const finalCodes = [1000, 1002, 1003, 1007, 1008, 1009, 1010]
const idleCode = 4408, refusedCodes = [4401, 4403]
const connectNames = ['ws-connect', 'hx-ws-connect', 'hx-ws:connect', 'data-ws-connect', 'hx-ws', 'data-hx-ws']

const sessionAddress = document.currentScript && new URL('session', document.currentScript.src)
const facades = new Set()
const current = new WeakMap()  // owner -> its facade
const memories = new WeakMap() // owner -> what outlives a facade
let leaving = false            // between pagehide and pageshow


/* What an owner knows for as long as the page is there. */
function memoryOf(owner) {
    const [token = '', position = ''] = owner?.getAttribute('ws-cursor')?.split('~') ?? []
    const memory = owner && memories.get(owner) || {client: randomId(), token, position, number: 0, kept: [], greeted: false, healed: -Infinity}
    if (owner) memories.set(owner, memory)
    return memory
}

function randomId() {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return Array.from(crypto.getRandomValues(new Uint8Array(22)), n => letters[n & 63]).join('')
}

const isOurs = url => new URL(url, location.href).host === location.host

const emit = (owner, name, detail, cancelable = false) =>
    (owner?.isConnected ? owner : document).dispatchEvent(new CustomEvent(name, {detail, bubbles: true, composed: true, cancelable}))


/* Looks like a WebSocket to htmx. `host` is what differs between the versions of htmx: make(url), asks(facade), lost(facade, event), prepare(html). */
class Facade extends EventTarget {
    CONNECTING = 0; OPEN = 1; CLOSING = 2; CLOSED = 3
    onopen = null; onmessage = null; onerror = null; onclose = null
    protocol = ''; extensions = ''; bufferedAmount = 0; binaryType = 'blob'
    owner = null; real = null; opened = false; over = false; pauses = false
    status = ''; next = null
    attempts = 0; notBefore = 0; beat = silence; healing = false

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

    attach(owner) {
        // htmx 2 connects an owner anew whenever it is processed again, and forgets the socket it had.
        if (owner) {
            current.get(owner)?.retire()
            current.set(owner, this)
        }
        this.owner = owner
        this.memory = memoryOf(owner)
        this.show('connecting')
    }

    // ---- what htmx and apps call

    send(data) {
        if (this.over) return
        if (this.plain || typeof data !== 'string') return this.real?.readyState === 1 ? this.real.send(data) : undefined
        const {kept} = this.memory
        if (kept.length >= keptMost) return void emit(this.owner, 'ws:overflow', {message: data, limit: keptMost})
        const message = {number: ++this.memory.number, data}
        kept.push(message)
        if (this.status === 'open') this.transmit(message)
        else if (this.status === 'closed') this.connect()
    }

    close(...args) {
        if (this.over) return
        // htmx 4 closes every socket at pagehide, though the page may come back from the bfcache.
        if (leaving) return this.rest()
        this.unplug()?.close(...args)
        this.end({code: args[0] ?? 1005, reason: args[1] ?? '', wasClean: true})
    }

    // ---- real sockets

    connect() {
        clearTimeout(this.retry)
        if (this.over || this.real || this.healing) return
        if (this.isOrphan()) return this.close(1000)
        this.show(this.status === 'offline' ? 'offline' : 'connecting')
        if (!this.host.asks(this)) return this.close(1000)
        this.adopt(this.host.make(this.address))
    }

    adopt(real) {
        this.real = real
        this.plain = false
        const ifCurrent = f => event => { if (this.real === real) f.call(this, event) }
        real.addEventListener('open', ifCurrent(this.answered))
        real.addEventListener('message', ifCurrent(this.hear))
        real.addEventListener('close', ifCurrent(this.lose))
        this.watch()
    }

    // From here on nothing that the old socket does is heard. On a dead line its own close event may take minutes.
    unplug() {
        const {real} = this
        this.real = null
        this.plain = false
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

    lose({code, reason, wasClean}) {
        const wasOpen = this.status === 'open'
        this.unplug()
        if (code === idleCode) return this.doze({code, reason, wasClean})
        if (finalCodes.includes(code) || code >= 4000) {
            this.end({code, reason, wasClean})
            if (refusedCodes.includes(code)) follow(reason)
            return
        }
        if (wasOpen && Date.now() - this.openedAt > steady) this.attempts = 0
        this.later(this.delayAsked(reason) ?? this.backoff())
        this.host.lost(this, new CloseEvent('close', {code, reason, wasClean}))
    }

    delayAsked(reason) {
        const asked = /^retry-after-ms=(\d{1,9})$/.exec(reason)?.[1]
        this.notBefore = asked ? Date.now() + Number(asked) : 0
        return asked && Number(asked)
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

    // The server let go of a user who did nothing; the next message calls it back.
    doze(closing) {
        this.show('closed')
        this.host.lost(this, new CloseEvent('close', closing))
        if (this.memory.kept.length) this.connect()
    }

    // Without a socket until something wakes it: a hidden tab, a page in the bfcache, a page that heals.
    rest() {
        const wasOpen = this.status === 'open'
        this.unplug()?.close(1000)
        if (this.status !== 'closed') this.show('offline')
        if (wasOpen) this.host.lost(this, new CloseEvent('close', {code: 1000, wasClean: true}))
    }

    wake() {
        if (this.over || this.status === 'closed') return
        // Timers stand still while a computer sleeps.
        if (this.real && this.beat && Date.now() - this.heardAt > this.beat) this.drop()
        if (this.real) return
        this.attempts = 0
        clearTimeout(this.retry)
        const wait = this.notBefore - Date.now()
        if (wait > 0) this.later(wait)
        else this.connect()
    }

    // ---- what the server says

    answered() {
        if (!this.memory.token && !this.memory.greeted) this.stranger = setTimeout(() => this.settleForPlain(), strangerAfter)
    }

    hear({data}) {
        if (this.isOrphan()) return this.close(1000)
        this.watch()
        this.mirror()
        const [html, note] = typeof data === 'string' ? split(data) : [data, null]
        if (!note?.startsWith('{') && !this.memory.greeted && !this.plain) this.settleForPlain()
        if (note?.startsWith('{')) return this.obey(JSON.parse(note))
        if (html) this.dispatchEvent(new MessageEvent('message', {data: this.host.prepare(html)}))
        if (note) this.memory.position = note
    }

    // Whoever answers does not speak our protocol, so messages go as they are.
    settleForPlain() {
        this.plain = true
        this.beat = 0
        clearTimeout(this.watchdog)
        this.opens()
    }

    obey({hello, beat, acked, ack, cursor, at, missed, session}) {
        const {memory} = this
        if (hello) this.greet(beat, acked)
        if (ack !== undefined) this.forget(ack)
        if (cursor !== undefined) memory.token = cursor
        if (at !== undefined) memory.position = String(at)
        if (session) keepSession(session)
        if (missed) this.miss(missed)
    }

    greet(beat = silence / 1000, acked = 0) {
        clearTimeout(this.stranger)
        this.plain = false
        this.memory.greeted = true
        this.beat = beat * 1000
        this.watch()
        this.forget(acked)
        for (const message of this.memory.kept) this.transmit(message)
        this.opens()
    }

    // To apps a line that is back has opened again: they say what they say at every start.
    opens() {
        this.openedAt = Date.now()
        this.opened = true
        this.show('open')
        this.dispatchEvent(new Event('open'))
    }

    transmit({number, data}) { this.real.send(`${number} ${data}`) }

    forget(number) {
        const {memory} = this
        memory.kept = memory.kept.filter(message => message.number > number)
    }

    miss(missed) {
        const {owner, memory} = this
        const heals = missed === 'page' && !!owner && owner.getAttribute('ws-heal') !== 'off' && Date.now() - memory.healed > healPause
        if (!emit(owner, 'ws:missed', {missed, heals}, true) || !heals) return
        memory.healed = Date.now()
        setTimeout(() => this.heal(), Math.random() * healSpread)
    }

    async heal() {
        if (this.over) return
        this.healing = true
        this.rest()
        const fresh = await newOwner(this.owner)
        if (!this.over && fresh) {
            await swapContent(this.owner, fresh)
            const cursor = fresh.getAttribute('ws-cursor') ?? ''
            this.owner.setAttribute('ws-cursor', cursor)
            Object.assign(this.memory, {token: cursor, position: ''})
        }
        this.healing = false
        if (this.over) return
        if (!fresh) emit(this.owner, 'ws:missed', {missed: 'page', heals: false}, true)
        if (!leaving) this.wake()
    }

    // ---- what can be seen

    show(status, next = null) {
        if (status === this.status && next === this.next) return
        Object.assign(this, {status, next})
        this.mirror()
        emit(this.owner, 'ws:status', {status, next})
    }

    // A morph of the owner takes our attributes away.
    mirror() {
        const {owner, status, next} = this
        if (!owner) return
        if (owner.getAttribute('ws-status') !== status) owner.setAttribute('ws-status', status)
        if (next) owner.setAttribute('ws-next', Math.round(next))
        else owner.removeAttribute('ws-next')
    }

    isOrphan() { return !!this.owner && !this.owner.isConnected }

    // A snapshot of the page, taken now and shown again later, is current up to here.
    stamp() {
        const {token, position} = this.memory
        if (token && this.owner) this.owner.setAttribute('ws-cursor', `${token}~${position}`)
    }

    // ---- the end

    retire() {
        this.over = true
        facades.delete(this)
        this.unplug()?.close(1000)
    }

    end(closing) {
        this.retire()
        this.show('closed')
        // Later, as a socket would: htmx is still busy with whatever made it close this one.
        queueMicrotask(() => this.dispatchEvent(new CloseEvent('close', closing)))
    }
}


/* A frame's HTML, and what the comment at its end says; null if there is none. */
function split(data) {
    const start = data.lastIndexOf('<!--ws')
    const found = start >= 0 && /^<!--ws(?: ([^<>]*))?-->$/.exec(data.slice(start))
    return found ? [data.slice(0, start), found[1] ?? ''] : [data, null]
}

/* Go where a refusal sends us. A browser reads "/\host" as "//host", so what begins with a slash must stay here. */
function follow(reason) {
    if (!/^(https?:\/\/|\/)/i.test(reason) || !URL.canParse(reason, location.href)) return
    const url = new URL(reason, location.href)
    if (reason[0] !== '/' || url.origin === location.origin) location.assign(url)
}

/* One at a time: each answer sets the whole cookie, and would undo what another has just added. */
let sessions = Promise.resolve()
function keepSession(token) {
    if (!sessionAddress) return
    const post = () => fetch(sessionAddress, {method: 'POST', body: new URLSearchParams({token}), keepalive: true})
    sessions = sessions.then(post).catch(() => {}) // the server tells its log about tokens nobody came for
}


/* ---- Appends of what is there already ---- */

const appendValue = /^(beforebegin|afterbegin|beforeend|afterend)(?::(.+))?$/s
let spots = 0

/* `html` with every append of an element that the page has turned into a replacement, if it stands where it would be appended, else into a move. All of it is said
in swaps of htmx, which knows how to clean up after an element. */
function appendOnce(html) {
    if (!/^\s*</.test(html) || !/swap-oob\s*=\s*["']?(before|after)/.test(html)) return html
    const template = document.createElement('template')
    template.innerHTML = html
    const changes = [...template.content.children].map(appendOnceIn)
    return changes.includes(true) ? template.innerHTML : html
}

/* True if something in the append `wrapper` was there already. */
function appendOnceIn(wrapper) {
    const value = wrapper.getAttribute('hx-swap-oob') ?? wrapper.getAttribute('data-hx-swap-oob') ?? ''
    const [, style, selector = '#' + CSS.escape(wrapper.id)] = appendValue.exec(value) ?? []
    const targets = style ? find(selector) : []
    const containers = targets.map(target => ['beforeend', 'afterbegin'].includes(style) ? target : target.parentElement)
    const there = [...wrapper.children].filter(item => item.id && isThere(item, targets))
    for (const item of there) {
        const old = find('#' + CSS.escape(item.id)).find(element => containers.includes(element.parentElement))
        if (!old) wrapper.before(swapLike(wrapper, 'delete', item.id))
        else if (isSame(old, item)) item.remove()
        else replaceIn(wrapper, old, item)
    }
    if (there.length && !wrapper.childElementCount && !wrapper.textContent.trim()) wrapper.remove()
    return there.length > 0
}

/* Selectors that only htmx understands find nothing. */
function find(selector) {
    try { return [...document.querySelectorAll(selector)] }
    catch { return [] }
}

function isThere(item, targets) {
    const found = find('#' + CSS.escape(item.id))
    return found.length > 0 && !found.some(element => targets.some(target => element.contains(target)))
}

/* An element that says `swap` to htmx. It has the wrapper's tag, because a row, say, is parsed beside other parts of tables only. */
function swapLike(wrapper, swap, id = '') {
    const element = document.createElementNS(wrapper.namespaceURI, wrapper.localName)
    if (id) element.id = id
    element.setAttribute('hx-swap-oob', swap)
    return element
}

/* The old one goes first: htmx 2 lends the attributes of an element to the new one of its id. A template keeps the place, as it may stand anywhere. */
function replaceIn(wrapper, old, item) {
    const spot = document.createElement('template')
    spot.setAttribute('ws-spot', ++spots)
    old.before(spot)
    const holder = swapLike(wrapper, `beforebegin:[ws-spot="${spots}"]`)
    holder.append(item)
    wrapper.before(swapLike(wrapper, 'delete', item.id), holder, swapLike(wrapper, `delete:[ws-spot="${spots}"]`))
}

/* Then it stays, with what was typed into it. */
function isSame(old, item) {
    const [a, b] = [old, item].map(element => element.cloneNode(true))
    for (const element of [a, ...a.querySelectorAll('*')]) {
        element.removeAttribute('data-htmx-powered')
        if (!element.className) element.removeAttribute('class')
    }
    return a.isEqualNode(b)
}


/* ---- Healing: the owner's content anew, and in it what the user was doing ---- */

const connectSelector = connectNames.map(name => `[${CSS.escape(name)}]`).join()
const urlOf = owner => connectNames.map(name => owner.getAttribute(name)).find(url => url !== null)

/* The owner as the page's address has it now, or null. */
async function newOwner(owner) {
    try {
        const response = await fetch(location.href, {cache: 'no-store', headers: {Accept: 'text/html'}, signal: AbortSignal.timeout(healPatience)})
        if (!response.ok) return null
        return counterpart(owner, new DOMParser().parseFromString(await response.text(), 'text/html'))
    } catch { return null }
}

function counterpart(owner, page) {
    const peers = root => [...root.querySelectorAll(connectSelector)].filter(peer => owner.id ? peer.id === owner.id : urlOf(peer) === urlOf(owner))
    return peers(page)[peers(document).indexOf(owner)] ?? null
}

async function swapContent(owner, fresh) {
    // They would pull elements out of the content, or take the focus.
    for (const name of ['hx-swap-oob', 'data-hx-swap-oob', 'autofocus'])
        for (const element of fresh.querySelectorAll(`[${name}]`)) element.removeAttribute(name)
    const restore = remember(owner)
    const done = window.htmx.registerExtension
        ? window.htmx.swap({sourceElement: owner, target: owner, swap: 'innerHTML', text: fresh.innerHTML, transition: false})
        : window.htmx.swap(owner, fresh.innerHTML, {swapStyle: 'innerHTML', swapDelay: 0, settleDelay: 0, transition: false, ignoreTitle: true})
    // Both swap before they return, so nobody sees the fields empty.
    restore()
    await done
}

/* What the user has done to the owner's content; a function that does it again. */
function remember(owner) {
    const fields = fieldsOf(owner), scrolls = scrollsOf(owner), focused = document.activeElement
    const typed = [...fields].filter(([, field]) => isTyped(field))
    const [focusKey] = [...fields].find(([, field]) => field === focused) ?? [focused?.id && owner.contains(focused) ? '#' + focused.id : null]
    const {selectionStart: start, selectionEnd: end, selectionDirection: direction} = focused ?? {}
    return () => {
        const now = fieldsOf(owner)
        for (const [key, field] of typed) if (now.has(key)) copyTyped(field, now.get(key))
        const focus = focusKey && (now.get(focusKey) ?? (focusKey[0] === '#' && document.getElementById(focusKey.slice(1))))
        if (focus) {
            focus.focus({preventScroll: true})
            if (typeof start === 'number') focus.setSelectionRange?.(start, end, direction)
        }
        scrolls.forEach(scroll => scroll())
    }
}

/* Fields by what makes them the same in two renderings: their id, else their name within the nearest element with an id. */
function fieldsOf(owner) {
    const fields = new Map()
    for (const field of owner.querySelectorAll('input, textarea, select')) {
        const choice = ['radio', 'checkbox'].includes(field.type) ? field.value : ''
        const place = field.id ? '#' + field.id : JSON.stringify([field.parentElement.closest('[id]')?.id, field.type, field.name, choice])
        let key = place
        for (let n = 2; fields.has(key); n++) key = place + n
        fields.set(key, field)
    }
    return fields
}

function isTyped(field) {
    switch (field.type) {
        case 'checkbox': case 'radio': return field.checked !== field.defaultChecked
        case 'select-one': case 'select-multiple': return [...field.options].some(option => option.selected !== option.defaultSelected)
        case 'file': return field.files.length > 0
        default: return field.value !== field.defaultValue
    }
}

function copyTyped(from, to) {
    if (from.type !== to.type) return
    switch (from.type) {
        case 'checkbox': case 'radio': to.checked = from.checked; break
        case 'select-one': case 'select-multiple':
            for (const option of to.options) {
                const old = [...from.options].find(o => o.value === option.value)
                if (old) option.selected = old.selected
            }
            break
        case 'file': to.files = from.files; break
        default: to.value = from.value
    }
}

/* A box that was read to its end, as a chat is, stays at its end. */
function scrollsOf(owner) {
    const boxes = [owner, ...owner.querySelectorAll('[id]')].filter(box => box.scrollTop || box.scrollLeft)
    return boxes.map(({id, scrollTop, scrollLeft, scrollHeight, clientHeight}, n) => () => {
        const box = n === 0 && boxes[0] === owner ? owner : document.getElementById(id)
        const atEnd = scrollHeight - clientHeight - scrollTop < 2
        box?.scrollTo({top: atEnd ? box.scrollHeight : scrollTop, left: scrollLeft, behavior: 'instant'})
    })
}


/* ---- htmx 2 ---- */

/* The ws extension asks htmx.createWebSocket for a socket, and says right after whom it is for. */
function joinHtmx2() {
    const {htmx} = window
    if (!htmx || htmx.registerExtension) return
    const own = htmx.createWebSocket
    const make = url => own ? own(url) : Object.assign(new WebSocket(url, []), htmx.config.wsBinaryType && {binaryType: htmx.config.wsBinaryType})
    const wrapper = facade => facade.owner?.['htmx-internal-data']?.webSocket?.publicInterface
    const host = {
        make, prepare: appendOnce,
        asks(facade) {
            if (facade.opened || facade.attempts) htmx.trigger(facade.owner ?? document, 'htmx:wsConnecting', {event: {type: 'connecting'}})
            return true
        },
        lost(facade, event) { htmx.trigger(facade.owner ?? document, 'htmx:wsClose', {event, socketWrapper: wrapper(facade)}) },
    }
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
}

// A snapshot goes into the history with the attributes it has.
document.addEventListener('htmx:beforeHistorySave', () => facades.forEach(facade => facade.stamp()))


/* ---- htmx 4 ---- */

const connections = new WeakMap() // connection of hx-ws -> its facade

/* hx-ws makes one real socket itself and puts it into its connection; from there the facade takes it, and shows itself instead. */
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
    Object.defineProperties(connection, {
        url: {configurable: true, enumerable: true, get: () => adopted ? facade.url : facade.address, set: url => { facade.url = url }},
        socket: {configurable: true, enumerable: true, get: () => adopted ? facade : null, set: real => {
            if (!real) return
            adopted = true
            facade.adopt(real)
        }},
    })
}

function hostOf(connection, beforeConnection) {
    const wsClose = ['htmx', 'ws', 'close'].join(beforeConnection[4])
    return {
        make: url => new WebSocket(url, connection.config.protocols),
        // Not yet: what came before may still wait for its turn in hx-ws.
        prepare: html => html,
        asks(facade) {
            connection.cancelled = false
            return window.htmx.trigger(facade.owner, beforeConnection, {connection}) && !connection.cancelled
        },
        lost(facade, {code}) { window.htmx.trigger(facade.owner, wsClose, {connection, reason: 'closed', code}) },
    }
}

function prepareMessage(event) {
    const {connection, message, cancelled} = event.detail
    if (connections.has(connection) && !cancelled && !event.defaultPrevented && typeof message.data === 'string') message.data = appendOnce(message.data)
}

// On the window, after every listener of the app: what they change or cancel counts.
for (const mark of [':', '-']) {
    addEventListener(['htmx', 'ws', 'before', 'connection'].join(mark), joinConnection)
    addEventListener(['htmx', 'ws', 'before', 'message', 'incoming'].join(mark), prepareMessage)
}


/* ---- The page ---- */

document.addEventListener('visibilitychange', () => facades.forEach(facade => {
    if (!document.hidden) facade.wake()
    else if (facade.pauses && facade.status === 'open') facade.rest()
}))

// After a change of network the old connections are dead, and nothing says so.
addEventListener('online', () => facades.forEach(facade => {
    if (facade.status === 'open') facade.rest()
    facade.wake()
}))

// Captured, so before htmx 4 closes its sockets. A page with a socket is not kept in the bfcache.
addEventListener('pagehide', () => {
    leaving = true
    facades.forEach(facade => facade.rest())
}, true)

addEventListener('pageshow', () => {
    leaving = false
    facades.forEach(facade => { if (facade.status === 'offline') facade.wake() })
})

// A sheet of our own needs no permission from the page's policy, and in a layer every rule of the app goes before.
const sheet = new CSSStyleSheet()
sheet.replaceSync(`@layer fasthtml_ws {
    [ws-status=offline]::after {
        content: var(--ws-offline, "Reconnecting …"); position: fixed; bottom: 1em; left: 50%; translate: -50%; z-index: 2147483647; pointer-events: none;
        padding: .3em 1em; border-radius: 1em; font: 14px/1.4 system-ui, sans-serif; color: #fff; background: #333d; animation: fasthtml-ws-late 1s step-end;
    }
    @keyframes fasthtml-ws-late { from { visibility: hidden } }
}`)
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]

if (window.htmx) joinHtmx2()
else document.addEventListener('DOMContentLoaded', joinHtmx2)
})()
