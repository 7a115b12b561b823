// SPDX-License-Identifier: GPL-3.0-or-later
// Shards kept well: endpoints that are asked whether they are ready, that fail and come back, and what is sent again and what is not. All endpoints are
// scripted, and count what reaches them.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const READY = '/readyz'
const OWN = '/own/health'
let w, client
const all = {}

// An endpoint: what it says to checks, and to everything else; `asked` is the latter's number.
async function endpoint() {
  const e = await Upstream.start()
  const reset = () => { e.ready = () => json('ok'); e.say = () => json({ whose: e.port }); e.checks = e.asked = 0 }
  e.answer = (r, socket) => {
    if (r.path === READY || r.path === OWN) { e.checks++; return e.ready(r, socket) }
    e.asked++
    return e.say(r, socket)
  }
  reset()
  return Object.assign(e, { reset })
}

const SICK = () => json('no', { status: '503 Service Unavailable' })
const MUTE = () => undefined

before(async () => {
  w = await World.make('health', { shards: [{ name: 'none', api: 'qdrant', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'none' }], loops: 2 })
  const timeouts = { connect: '5s', first_byte: '20s', idle: '20s' }
  const checked = { interval: '200ms', timeout: '5s', unhealthy: 2, healthy: 2 }
  const rows = { pair: { health: checked }, wrong: { health: { ...checked, path: OWN } }, busy: {}, dying: {}, garbage: {}, two: {}, alone: { concurrency: 'adaptive' } }
  w.config.shards = []
  for (const [name, more] of Object.entries(rows)) {
    all[name] = [await endpoint(), await endpoint()]
    w.config.shards.push({ name, api: 'qdrant', endpoints: all[name].map(e => e.url), timeouts, ...more })
  }
  w.config.routes = w.config.shards.map(s => ({ collection: s.name, shard: s.name }))
  w.save()
  await w.start()
  client = await w.workload('health')
})

beforeEach(() => { for (const e of Object.values(all).flat()) e.reset() })

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  client?.close()
  await Promise.all(Object.values(all).flat().map(e => e.stop()))
})

const get = name => client.get(`/collections/${name}`)
const put = name => client.put(`/collections/${name}/index`, { field_name: 'a' })

// The first row of the metric that has the label.
async function metric(name, label = '') {
  return Object.entries(await w.metrics()).find(([row]) => row.startsWith(`sallyport_${name}`) && row.includes(label))?.[1]
}
const ready = (e, is) => until(`endpoint ${e.port} to be ${is ? 'ready' : 'sick'}`, async () => await metric('shard_endpoint_ready', `port="${e.port}"`) === Number(is), 30000)

// ------------------------------------------------------------------------------------------------------------------ checks

test('an endpoint that says it is not ready gets no requests, and gets them again when it does', async () => {
  const [a, b] = all.pair
  a.ready = SICK
  await ready(a, false)
  a.asked = b.asked = 0
  for (let i = 0; i < 20; i++) assert.equal((await get('pair')).status, 200)
  assert.equal(a.asked, 0)
  assert.equal(b.asked, 20)
  await until('the log to say so', () => /shard pair: endpoint 127\.0\.0\.1:\d+ \(127\.0\.0\.1\) is not ready and gets no requests: status 503/.test(w.process.log))
  a.ready = () => json('ok')
  await ready(a, true)
  await until('requests at it', async () => { assert.equal((await get('pair')).status, 200); return a.asked > 0 }, 30000)
  await until('the log to say so', () => /is ready again/.test(w.process.log))
})

test('all sick is 503 with Retry-After at once, although they would take the request and say nothing', async () => {
  for (const e of all.pair) { e.ready = SICK; e.say = MUTE }
  for (const e of all.pair) await ready(e, false)
  const began = Date.now()
  const r = await get('pair')
  assert.equal(r.status, 503, r.text)
  assert.equal(r.json.code, 'shard_unreachable')
  assert.match(r.headers['retry-after'], /^[1-9]\d*$/)
  assert.ok(Date.now() - began < 10000, 'it hung')
  assert.equal((await w.record(r.headers['x-request-id'])).error, 'SHARD_DOWN')
  for (const e of all.pair) { assert.equal(e.asked, 0); e.reset() }
  for (const e of all.pair) await ready(e, true)
  assert.equal((await get('pair')).status, 200)
})

test('a check that is never answered is a bad one', async () => {
  const [a] = all.pair
  a.ready = (r, socket) => { socket.destroy() }
  await ready(a, false)
  for (let i = 0; i < 5; i++) assert.equal((await get('pair')).status, 200)
  assert.equal(a.asked, 0)
  a.reset()
  await ready(a, true)
})

test('a wrong path takes no shard away: it is said once, and the endpoint counts as ready', async () => {
  for (const e of all.wrong) e.ready = () => json('{}', { status: '404 Not Found' })
  for (const e of all.wrong) await until('checks', () => e.checks >= 5, 30000)
  for (const e of all.wrong) assert.equal(await metric('shard_endpoint_ready', `port="${e.port}"`), 1)
  assert.equal((await get('wrong')).status, 200)
  await until('the log to say so of each', () => w.process.log.match(/shard wrong: endpoint \S+ answers status 404/g)?.length === 2)
})

test('checks are the process\'s, not each loop\'s, and carry on over a reload', async () => {
  const [a] = all.pair
  a.ready = SICK
  await ready(a, false)
  const generation = await metric('configuration_generation')
  w.config.log = { level: 'info' }
  w.save()
  await until('the reload', async () => await metric('configuration_generation') > generation, 30000)
  a.asked = 0
  for (let i = 0; i < 10; i++) assert.equal((await get('pair')).status, 200)
  assert.equal(a.asked, 0, 'what was known of it was forgotten')
  const before = a.checks
  const began = Date.now()
  await until('checks', () => a.checks - before >= 5, 30000)
  assert.ok(Date.now() - began >= 600, 'asked more often than once in an interval')
  a.reset()
  await ready(a, true)
})

// ------------------------------------------------------------------------------------------------------- retries, outliers

test('with one endpoint sick, reads succeed, and it is soon left alone', async t => {
  for (const [name, say] of [['busy', SICK], ['dying', (r, socket) => { socket.destroy() }], ['garbage', () => 'HTTP/9 nonsense\r\n\r\n']]) {
    await t.test(name, async () => {
      const [a, b] = all[name]
      a.say = say
      for (let i = 0; i < 60; i++) assert.equal((await get(name)).status, 200)
      assert.equal(b.asked, 60)
      assert.ok(a.asked > 0 && a.asked <= 2 * 5, `${a.asked} at the sick one, of two loops`)
    })
  }
})

test('an endpoint that was ejected gets requests again', async () => {
  const [a] = all.busy
  await until('requests at the one that is well again', async () => {
    for (const r of await Promise.all(Array.from({ length: 10 }, () => get('busy')))) assert.equal(r.status, 200)
    await sleep(200)
    return a.asked > 20
  }, 90000)
})

test('writes are never sent a second time', async () => {
  const [a, b] = all.two
  for (const e of all.two) e.say = SICK
  for (let i = 0; i < 10; i++) assert.equal((await put('two')).status, 503)
  assert.equal(a.asked + b.asked, 10)
})

test('all failing: the failure is passed on, and there is no storm of retries', async () => {
  const [a, b] = all.two
  for (const e of all.two) e.say = SICK
  const n = 300
  const began = Date.now()
  for (let i = 0; i < n; i++) assert.equal((await get('two')).status, 503)
  const seconds = (Date.now() - began) / 1000
  const most = n + 0.2 * n + 2 * (20 + 3 * seconds) + 2 // two loops, each with its budget
  assert.ok(a.asked + b.asked <= most, `${a.asked + b.asked} requests at the shard, for ${n}`)
})

test('a client that goes away takes its request along', async () => {
  const [a, b] = all.two
  const closed = []
  for (const e of all.two) e.say = (r, socket) => { socket.on('close', () => closed.push(e)) }
  const connection = await client.open()
  connection.send(await client.head('GET', '/collections/two'))
  await until('the request', () => a.asked + b.asked === 1, 20000)
  connection.close()
  await until('the end at the shard', () => closed.length === 1, 20000)
  assert.equal(a.asked + b.asked, 1)
})

// ---------------------------------------------------------------------------------------------------------- concurrency

test('what a shard cannot work on is refused with Retry-After at once, what it can is answered, and nothing hangs', async () => {
  const held = []
  for (const e of all.alone) e.say = (r, socket) => { held.push(() => { if (!socket.destroyed) socket.write(json({})) }) }
  const n = 100
  const connections = await Promise.all(Array.from({ length: n }, () => client.open()))
  let refused = 0
  const asked = connections.map(async connection => {
    connection.send(await client.head('GET', '/collections/alone'))
    const r = await connection.response({ ms: 60000 })
    if (r.status === 503 && r.json.code === 'shard_busy' && Number(r.headers['retry-after']) > 0) refused++
    return r.status
  })
  await until('refusals', () => refused > 0 && refused + held.length === n, 30000)
  assert.ok(held.length <= 64, `${held.length} at the shard, of two loops with 32 each to begin with`)
  for (const answer of held) answer()
  const statuses = await Promise.all(asked)
  for (const connection of connections) connection.close()
  assert.equal(statuses.filter(s => s === 200).length, held.length)
  assert.equal(statuses.filter(s => s === 503).length, refused)
  assert.ok(await metric('upstream_shed_total') >= refused)
})
