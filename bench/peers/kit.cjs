// What the servers on Node have in common: see kit.py
'use strict';
const fs = require('node:fs'), net = require('node:net');

const [fd, control, given] = process.argv.slice(2);
const settings = {ping: null, deflate: false, texts: '', text: '', ...JSON.parse(given)};
const texts = settings.texts ? JSON.parse(fs.readFileSync(settings.texts)) : [settings.text];
let next = 0;

const seconds = () => performance.now() / 1e3;
const used = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1e6; };
const worst = {late: 0, cpu: 0};
function tick() {
    const due = seconds() + .001, before = used();
    setTimeout(() => {
        worst.late = Math.max(worst.late, seconds() - due);
        worst.cpu = Math.max(worst.cpu, used() - before);
        tick();
    }, 1);
}
const lap = () => { const res = {...worst}; worst.late = worst.cpu = 0; return res; };
const does = {tick: () => { lap(); tick(); return {}; }, lap, tell: () => ({})};

function answer() {
    const line = new net.Socket({fd: Number(control), readable: true, writable: true});
    line.on('data', data => line.write(JSON.stringify(does[JSON.parse(data).do]()) + '\n'));
    line.on('close', () => process.exit(0));
}

module.exports = {fd: Number(fd), settings, said: () => texts[next++ % texts.length], answer};
