// SPDX-License-Identifier: GPL-3.0-or-later
// One gateway process takes over from another, under load: not a request fails, no proof works twice, and the audit log of both is whole.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import path from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { plain } from './lib/client.mjs'
import { port, sallyport, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { again, underLoad } from './lib/load.mjs'
import { dumpLogs, run, start } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const root = process.getuid() === 0
const processes = []
let w, shard, collector
const collected = new Set() // lines

before(async () => {
  shard = await Upstream.start()
  w = await World.make('handover', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  w.config.process = { handover: w.at('handover.sock') }
  collector = https.createServer({ cert: w.server.certPem, key: w.server.keyPem }, async (request, response) => {
    let text = ''
    for await (const piece of request.setEncoding('utf8')) text += piece
    for (const line of text.split('\n').filter(Boolean)) collected.add(line)
    response.writeHead(204).end()
  })
  const at = await port()
  await new Promise(resolve => collector.listen(at, '127.0.0.1', resolve))
  w.config.audit.http = { url: `https://localhost:${at}/ingest`, tls: { ca: w.ca.bundle }, interval: '20ms' }
  w.save()
  await w.start()
  processes.push(w.process)
})

afterEach(() => w.save())

after(async () => {
  dumpLogs(...processes)
  await w?.stop()
  for (const p of processes) await p.stop()
  await shard?.stop()
  collector?.closeAllConnections()
  collector?.close()
})

// Another process for the same configuration; resolves once it serves.
async function takeOver({ wrap = [], environment = {} } = {}) {
  const [program, ...args] = [...wrap, sallyport, 'run', '--config', w.file, '--take-over']
  const next = start(`gateway ${processes.length + 1}`, program, args, { env: { ...process.env, ...environment } })
  processes.push(next)
  await until('the next process', () => {
    if (next.over) throw new Error(`it ended (${next.code ?? next.signal}):\n${next.log}`)
    return /listening on/.test(next.log)
  }, 30000)
  return next
}

test('a new process takes over under load: not one request fails, again and again', { timeout: 300000 }, async t => {
  const clients = await Promise.all([1, 2, 3, 4].map(i => w.workload(`load-${i}`)))
  let changes
  const { failures, count } = await underLoad(w, clients, DOCS, async answered => {
    const some = () => { const from = answered(); return until('some requests', () => answered() > from + 20, 60000) }
    changes = await again(async () => {
      const old = w.process
      await some()
      w.process = await takeOver()
      await until('the old one to end', () => old.over, 40000)
      assert.deepEqual([old.code, old.signal], [0, null], old.log.slice(-2000))
      assert.match(old.log, /another process serves from now on/)
    })
    await some()
  })
  t.diagnostic(`${count} requests, ${changes} changes of process`)
  assert.deepEqual(failures, [])
})

test('rule 16: a proof that the old process took is a replay at the next one, and its nonces are still good', async () => {
  const client = await w.workload('thief')
  const proof = { headers: { dpop: await client.proof('GET', DOCS) } }
  assert.equal((await client.get(DOCS, proof)).status, 200)
  const old = w.process
  w.process = await takeOver()
  await until('the old one to end', () => old.over, 40000)
  const again = await client.get(DOCS, proof)
  assert.deepEqual([again.status, again.json.code], [401, 'proof_replayed'])
  assert.equal((await client.get(DOCS)).status, 200)
})

test('the operations listener, metrics and reloads are the next process\'s', async () => {
  assert.equal((await plain(w.operations, '/readyz')).text, 'ready\n')
  assert.equal(await w.reload(), true)
})

test('each process has a log of its own, all are whole, and a collector gets every line of them', async () => {
  const folder = path.dirname(w.audit)
  const rotated = fs.readdirSync(folder).filter(f => /^audit\.jsonl\.\d+$/.test(f)).sort().map(f => path.join(folder, f))
  assert.equal(rotated.length, processes.length - 1)
  const verified = run(sallyport, ['audit', 'verify', ...rotated, w.audit])
  assert.equal(verified.status, 0, verified.out + verified.err)
  const lines = [...rotated, w.audit].flatMap(f => fs.readFileSync(f, 'utf8').split('\n').filter(Boolean))
  await until('the collector to have them', () => lines.every(line => collected.has(line)))
  // What the old process wrote is known to the log of the next one.
  const cut = fs.readFileSync(rotated[0], 'utf8').split('\n')
  fs.writeFileSync(w.at('cut.jsonl.000001'), `${cut.slice(0, 2).join('\n')}\n`)
  fs.copyFileSync(rotated[1], w.at('cut.jsonl.000002'))
  const tampered = run(sallyport, ['audit', 'verify', w.at('cut.jsonl.000001'), w.at('cut.jsonl.000002')])
  assert.equal(tampered.status, 1)
  assert.match(tampered.out + tampered.err, /the log before had got to number \d+ when this one was begun, and ends with number 2/)
})

test('a next process that is not ready, or is killed before, changes nothing', async () => {
  const broken = fs.readFileSync(w.server.cert)
  fs.writeFileSync(w.server.cert, 'nonsense')
  await assert.rejects(takeOver(), /ended \(1\)/)
  fs.writeFileSync(w.server.cert, broken)
  // Somebody who comes, takes everything, and goes without a word.
  const peer = net.connect(w.config.process.handover)
  await until('what it gives', () => peer.bytesRead > 0)
  peer.destroy()
  await until('the old one to notice', () => /went away before it was ready; this one goes on/.test(w.process.log))
  assert.equal((await (await w.workload('after')).get(DOCS)).status, 200)
  assert.ok(!w.process.over)
})

test('nobody else may: a stranger is sent away with nothing', { skip: !root && 'needs root' }, async () => {
  fs.chmodSync(w.config.process.handover, 0o777)
  for (let folder = w.folder; folder.startsWith('/tmp/'); folder = path.dirname(folder)) fs.chmodSync(folder, 0o755)
  const stranger = run(process.execPath, ['-e', `
    process.setgroups([]); process.setgid(65534); process.setuid(65534)
    const s = require('net').connect(${JSON.stringify(w.config.process.handover)})
    let got = 0
    s.on('data', d => { got += d.length }).on('error', () => {}).on('close', () => console.log(got))`])
  assert.equal(stranger.out, '0\n', stranger.err)
  await until('the log to say so', () => /neither root nor this user/.test(w.process.log))
})

test('with nobody to take over from, --take-over is an ordinary start, and systemd is told when it serves', async () => {
  const gone = w.process
  assert.equal((await gone.stop(30000)).code, 0)
  assert.ok(!fs.existsSync(w.config.process.handover))
  const told = []
  const socket = w.at('notify.sock')
  // Node has no datagrams on Unix sockets: Python listens.
  const listener = start('notify', 'python3', ['-u', '-c', `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(socket)})
print('bound')
while True: print(s.recv(100).decode())`])
  processes.push(listener)
  await until('the listener', () => /bound/.test(listener.log))
  w.process = await takeOver({ environment: { NOTIFY_SOCKET: socket } })
  assert.match(w.process.log, /nobody to take over from/)
  await until('READY=1', () => /READY=1/.test(listener.log))
  w.process.kill('SIGTERM')
  await until('STOPPING=1', () => /STOPPING=1/.test(listener.log))
  await w.process.ended
  assert.equal(w.process.code, 0)
  listener.kill('SIGKILL')
})
