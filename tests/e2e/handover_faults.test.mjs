// SPDX-License-Identifier: GPL-3.0-or-later
// Take-overs that go wrong, or meet another configuration: whatever the next process does, somebody serves, and no one waits at a socket that nobody reads.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { port, sallyport, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run, start } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const processes = []
let w, shard, other, client

before(async () => {
  shard = await Upstream.start()
  w = await World.make('handover-faults', {
    shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], loops: 1
  })
  other = await port()
  w.config.listener.addresses.push(`127.0.0.1:${other}`)
  w.config.process = { handover: w.at('handover.sock') }
  w.save()
  await w.start()
  processes.push(w.process)
  client = await w.workload('alice')
})

afterEach(() => w.save())

after(async () => {
  dumpLogs(...processes)
  await w?.stop()
  for (const p of processes) await p.stop()
  await shard?.stop()
})

function begin(file = w.file) {
  const next = start(`gateway ${processes.length + 1}`, sallyport, ['run', '--config', file, '--take-over'])
  processes.push(next)
  return next
}

async function serves(next) {
  await until('the next process', () => {
    if (next.over) throw new Error(`it ended (${next.code ?? next.signal}):\n${next.log}`)
    return /listening on/.test(next.log)
  }, 30000)
  return next
}

async function takeOver() {
  const old = w.process
  w.process = await serves(begin())
  await until('the old one to end', () => old.over, 40000)
  assert.equal(old.code, 0, old.log.slice(-3000))
}

// One that has taken everything, and waits for the keys of its issuer at this port. Its file is its own: the one that serves looks at its file, too.
async function waiting(keys) {
  const config = structuredClone(w.config)
  config.issuers[0].jwks = undefined
  config.issuers[0].jwks_url = `http://127.0.0.1:${keys}/jwks.json`
  w.save(config, w.at('next.yaml'))
  const next = begin(w.at('next.yaml'))
  await until('it to have everything, and no keys', () => next.over || /keys cannot be fetched/.test(next.log))
  assert.ok(!next.over, next.log)
  return next
}

async function jwks(at) {
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(fs.readFileSync(w.issuer.jwks))
  })
  await new Promise(resolve => server.listen(at, '127.0.0.1', resolve))
  server.stop = () => (server.closeAllConnections(), server.close())
  return server
}

const connects = at => new Promise(resolve => {
  const s = net.connect(at, '127.0.0.1')
  s.on('connect', () => (s.destroy(), resolve('connected'))).on('error', e => resolve(e.code))
})

async function peer() {
  const s = net.connect(w.config.process.handover)
  s.text = ''
  s.on('data', d => { s.text += d.toString('latin1') }).on('error', () => {})
  return s
}

const answers = async () => assert.equal((await client.get(DOCS)).status, 200)

test('one goes and another comes in the same moment', async () => {
  const first = await peer()
  await until('what it gives', () => first.bytesRead > 0)
  w.process.kill('SIGSTOP')
  first.destroy()
  const second = await peer()
  w.process.kill('SIGCONT')
  await until('what the second is given', () => second.bytesRead > 0)
  second.destroy()
  await until('it to be gone', () => (w.process.log.match(/went away before/g) ?? []).length >= 2)
  await answers()
})

const descriptors = () => fs.readdirSync(`/proc/${w.process.pid}/fd`).length

test('one that comes and goes, or stops in the middle of a word, leaves nothing behind and holds nobody up', async () => {
  const gone = () => (w.process.log.match(/this one goes on/g) ?? []).length
  const before = descriptors()
  for (let i = 0; i < 20; i++) {
    const n = gone()
    const p = await peer()
    await until('what it gives', () => p.bytesRead > 0)
    if (i % 2) p.destroy()
    else p.write('g')
    await until('the process to go on', () => gone() > n, 3000)
    p.destroy()
  }
  await until('it to have what it had', () => descriptors() <= before)
  await answers()
})

test('one that takes everything and says nothing does not keep another away', async () => {
  const stuck = await peer()
  await until('what it gives', () => stuck.bytesRead > 0)
  await takeOver()
  await until('the stuck one to hear of it', () => stuck.destroyed || stuck.text.endsWith('stay'))
  await answers()
})

test('signals at one that is not ready yet: it ends in order, and nothing changes', async () => {
  const next = await waiting(await port())
  next.kill('SIGUSR1')
  next.kill('SIGHUP')
  await until('the reload', () => next.over || /SIGHUP: /.test(next.log))
  next.kill('SIGTERM')
  await until('its end', () => next.over)
  assert.equal(next.code, 1, next.log)
  assert.match(next.log, /told to end before it took over/)
  await answers()
})

test('the next one cannot open the audit log after the old one has left it: the old one goes on, in a log that is whole', async () => {
  const config = structuredClone(w.config)
  config.audit.file = w.at('not-there/audit.jsonl')
  w.save(config)
  const next = begin()
  await until('its end', () => next.over, 30000)
  assert.equal(next.code, 1, next.log)
  await answers()
  assert.ok(!w.process.over)
  await until('its records at the usual place', () => fs.existsSync(w.audit) && fs.statSync(w.audit).size > 0)
  w.save()
  await takeOver()
  await answers()
  const verified = run(sallyport, ['audit', 'verify', w.audit])
  assert.equal(verified.status, 0, verified.out)
})

test('an address that the next one does not have is closed, and one more loop finds its socket', async () => {
  w.config.listener.addresses.pop()
  w.config.loops = 2
  w.config.dpop.replay.capacity *= 2
  w.save()
  await takeOver()
  assert.match(w.process.log, /dpop\.replay\.capacity: .* for 65536; another capacity takes effect at a start without --take-over/)
  assert.equal(await connects(other), 'ECONNREFUSED')
  await answers()
  w.config.loops = 1
  w.save()
  await takeOver()
  await answers()
})

// A request whose answer comes when the test says so.
async function slow(who) {
  let finish
  shard.answer = (request, socket) => {
    finish = () => socket.write(json('{"result":[],"status":"ok","time":0.0}'))
    shard.answer = undefined
  }
  const answer = (await w.workload(who)).get(DOCS)
  await until('the shard to have it', () => finish)
  return { answer, finish }
}

test('told to end while the next one gets ready: what is under way there ends as it would have', async () => {
  const keys = await port()
  const old = w.process, held = await slow('patient'), next = await waiting(keys)
  old.kill('SIGTERM')
  await until('it to drain', () => /draining/.test(old.log))
  const server = await jwks(keys)
  w.process = await serves(next)
  await until('the old one to know', () => /another process serves/.test(old.log))
  assert.ok(!old.over)
  held.finish()
  assert.equal((await held.answer).status, 200)
  await until('the end of the old one', () => old.over, 30000)
  assert.equal(old.code, 0)
  server.stop()
})

test('a chain of them: the one in the middle ends after the first one, whose records are all sent', async () => {
  const first = w.process, held = await slow('slower'), second = await serves(begin()), third = await serves(begin())
  w.process = third
  await until('the second one to know', () => /another process serves/.test(second.log))
  held.finish()
  assert.equal((await held.answer).status, 200)
  await until('both to end', () => first.over && second.over, 30000)
  assert.deepEqual([first.code, second.code], [0, 0])
  assert.match(second.log, /the process before has ended/)
  assert.match(third.log, /the process before has ended/)
})

test('the old one ends by itself while the next one gets ready: that one serves', async () => {
  const keys = await port()
  const old = w.process, next = await waiting(keys)
  old.kill('SIGTERM')
  await until('the end of the old one', () => old.over, 30000)
  assert.equal(old.code, 0)
  const server = await jwks(keys)
  w.process = await serves(next)
  client.close()
  await answers()
  server.stop()
  const verified = run(sallyport, ['audit', 'verify', w.audit])
  assert.equal(verified.status, 0, verified.out)
})
