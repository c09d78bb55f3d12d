// What the docs site does beyond showing text: menu on a phone, copy buttons, links to headings, search.
(() => {
  const root = document.currentScript?.dataset.root ?? '', doc = document, all = (s) => [...doc.querySelectorAll(s)]
  const make = (tag, props) => Object.assign(doc.createElement(tag), props)
  doc.documentElement.classList.add('js')

  const menu = doc.querySelector('button.menu'), sidebar = doc.getElementById('sidebar')
  menu.onclick = () => menu.setAttribute('aria-expanded', sidebar.classList.toggle('open'))

  const toc = doc.getElementById('toc'), wide = matchMedia('(min-width: 75.01rem)')
  if (toc) {
    const fit = () => { toc.open = wide.matches }
    wide.onchange = fit
    fit()
    const links = new Map(all('#toc a').map(a => [decodeURIComponent(a.hash.slice(1)), a]))
    const heads = all('.text :is(h2, h3)').filter(h => links.has(h.id))
    const mark = () => {
      const now = heads.findLast(h => h.getBoundingClientRect().top < 120) ?? heads[0]
      links.forEach((a, id) => a.classList.toggle('here', id === now?.id))
    }
    addEventListener('scroll', mark, {passive: true})
    mark()
  }

  for (const h of all('.text :is(h2, h3, h4)[id]')) {
    const a = make('a', {className: 'anchor', href: '#' + h.id, textContent: '#'})
    a.setAttribute('aria-label', 'Link to this heading')
    h.append(a)
  }

  for (const box of all('div.sourceCode')) {
    const b = make('button', {type: 'button', className: 'copy', textContent: 'Copy'})
    b.onclick = async () => {
      await navigator.clipboard.writeText(box.querySelector('pre').innerText)
      b.textContent = 'Copied'
      setTimeout(() => { b.textContent = 'Copy' }, 1500)
    }
    box.append(b)
  }
  for (const pre of all('.text pre')) if (pre.scrollWidth > pre.clientWidth) pre.tabIndex = 0

  const box = doc.getElementById('query'), found = doc.getElementById('found')
  const load = () => new Promise((ok, no) => {
    if (window.searchIndex) return ok()
    doc.head.append(make('script', {src: root + 'search.js', onload: ok, onerror: no}))
  })
  const score = (o, words) => words.reduce((n, w) => {
    if (n < 0) return n
    const head = o.head.toLowerCase()
    if (head.startsWith(w)) return n + 6
    if (head.includes(w)) return n + 4
    if (o.page.toLowerCase().includes(w)) return n + 2
    return o.text.toLowerCase().includes(w) ? n + 1 : -1
  }, 0)
  const show = async () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean)
    found.hidden = !words.length
    if (!words.length) return
    await load()
    const hits = window.searchIndex.map(o => [score(o, words), o]).filter(([n]) => n > 0).sort((a, b) => b[0] - a[0]).slice(0, 12)
    found.replaceChildren(...hits.map(([, o]) => {
      const a = make('a', {href: root + o.url, textContent: o.head})
      if (o.head !== o.page) a.append(make('small', {textContent: o.page}))
      a.onclick = () => { found.hidden = true }
      const li = make('li')
      li.append(a)
      return li
    }), ...hits.length ? [] : [make('li', {className: 'none', textContent: 'Nothing found'})])
  }
  box.oninput = show
  box.parentElement.onkeydown = (e) => {
    const items = [box, ...found.querySelectorAll('a')], i = items.indexOf(doc.activeElement)
    const step = {ArrowDown: 1, ArrowUp: -1}[e.key]
    if (e.key === 'Escape') { found.hidden = true; box.focus() }
    else if (e.key === 'Enter' && i === 0 && items[1]) items[1].click()
    else if (step && items[i + step]) { items[i + step].focus(); e.preventDefault() }
  }
  doc.addEventListener('click', (e) => { if (!e.target.closest('.search')) found.hidden = true })
  doc.addEventListener('keydown', (e) => {
    if (e.key === '/' && !/input|textarea|select/i.test(doc.activeElement.tagName)) { box.focus(); e.preventDefault() }
  })
})()
