// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that are slow, idle, many, or never read. Memory is bounded (docs/http.md says by what), and an innocent client is served all the
// while. SALLYPORT_IDLE is the number of idle connections; a sanitizer's build is tried with fewer, and memory is not judged there.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { sanitised, sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const KiB = 1024
const MiB = 1 << 20
const IDLE = Number(process.env.SALLYPORT_IDLE ?? (sanitised ? 200 : 2000))
const MANY = sanitised ? 20 : 100
const UPSERT = '/collections/docs/index'
let w, shard, attacker, innocent

before(async () => {
  shard = await Upstream.start()
  w = await World.make('flood', {
    shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url], timeouts: { first_byte: '20s', idle: '20s' } }], routes: [{ shard: 'recorder' }],
    change: { listener: { limits: { connections: IDLE + 1000, body_bytes: '64MiB' }, timeouts: { header: '2s', body: '2s', idle: '10m', handshake: '20s' } } }
  })
  await w.start()
  attacker = await w.workload('attacker')
  innocent = await w.workload('innocent')
  await served() // what every process has once
})

beforeEach(() => { shard.answer = undefined })

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const rss = () => Number(fs.readFileSync(`/proc/${w.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)[1]) * KiB

// One request of somebody else: it succeeds, and in a time that nobody would call a denial of service, however loaded the machine is.
async function served() {
  const from = Date.now()
  const answer = await innocent.get('/collections/innocent')
  assert.equal(answer.status, 200, answer.text)
  assert.ok(Date.now() - from < (sanitised ? 20000 : 5000), `an innocent request took ${Date.now() - from} ms`)
}

// Does `what` while the innocent client goes on. Says how many of its requests were served.
async function meanwhile(what) {
  let over = false
  let n = 0
  const others = (async () => { for (; !over; n++) { await served(); await sleep(5) } })()
  try {
    await Promise.race([what(), others])
  } finally {
    over = true
  }
  await others
  assert.ok(n > 0)
  return n
}

function grewAtMost(before, bytes, t, what) {
  const grown = rss() - before
  t.diagnostic(`${what}: memory grew by ${Math.round(grown / KiB)} KiB, ${Math.round(bytes / KiB)} KiB are allowed`)
  assert.ok(sanitised || grown <= bytes, `memory grew by ${grown} bytes, more than ${bytes}`)
}

async function many(n, make) {
  const all = []
  while (all.length < n) all.push(...await Promise.all(Array.from({ length: Math.min(50, n - all.length) }, () => make())))
  return all
}

// Handshakes that resume cost the test less, and the gateway's memory the same.
async function ticket() {
  const c = await attacker.open()
  let session
  c.socket.on('session', s => { session = s })
  c.send(await attacker.head('GET', '/collections/docs'))
  await c.response()
  await until('a ticket', () => session)
  c.close()
  return session
}

const closed = list => until('the gateway to close them', () => list.every(c => c.over), 15000)

// --------------------------------------------------------------------------------------------------------------- slow

test('slow heads: each is 408 in the time of a head, however steadily it drips', async () => {
  await meanwhile(async () => {
    const list = await many(MANY, () => attacker.open())
    for (const c of list) c.send('GET /collections/docs HTTP/1.1\r\nHost: x\r\nX-Drip: ')
    const drip = setInterval(() => { for (const c of list) if (!c.over) c.send('x') }, 200)
    await closed(list).finally(() => clearInterval(drip))
    for (const c of list) assert.match(c.received.toString(), /^HTTP\/1\.1 408 /)
  })
})

test('slow bodies: each is 408, streamed or collected, and the shard is left with nothing', async () => {
  const before = shard.requests.filter(r => r.path !== '/collections/innocent').length
  await meanwhile(async () => {
    const list = await many(MANY, () => attacker.open())
    for (const [i, c] of list.entries()) c.send(`${await attacker.head(i % 2 ? 'PUT' : 'POST', i % 2 ? UPSERT : '/collections/docs/points/search', { 'Content-Type': 'application/json', 'Content-Length': 100000 })}{`)
    const drip = setInterval(() => { for (const c of list) if (!c.over) c.send(' ') }, 200)
    await closed(list).finally(() => clearInterval(drip))
    for (const c of list) assert.match(c.received.toString(), /^HTTP\/1\.1 408 /)
  })
  assert.equal(shard.requests.filter(r => r.path !== '/collections/innocent').length, before)
})

test('clients that never read: memory is bounded a connection, they are cut, and nobody else is', async t => {
  const size = 8 * MiB
  const answer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${size}\r\n\r\n`), Buffer.alloc(size, 0x78)])
  shard.answer = r => r.path === '/collections/innocent' ? json({}) : answer
  const n = 20
  const before = rss()
  let list
  await meanwhile(async () => {
    list = await many(n, async () => { const c = await attacker.open(); c.socket.pause(); return c })
    for (const c of list) c.send(await attacker.head('GET', '/collections/docs'))
    await sleep(1500)
    // 256 KiB in the queue, 64 KiB in a wake-up, and as much again while a buffer is exchanged for a larger one; on both sides.
    grewAtMost(before, n * 1536 * KiB, t, `${n} clients that do not read ${size / MiB} MiB`)
  })
  for (const c of list) c.close()
  await meanwhile(() => until('their requests at the shard to end', () => [...shard.sockets].every(s => s.writableLength === 0), 15000))
})

// --------------------------------------------------------------------------------------------------------------- many

test(`${IDLE} idle connections: little memory each, and the next client is served`, async t => {
  const before = rss()
  let list
  const began = Date.now()
  const session = await ticket()
  const n = await meanwhile(async () => { list = await many(IDLE, () => attacker.open({ session })) })
  t.diagnostic(`${IDLE} connections in ${Date.now() - began} ms, ${n} requests of another client served meanwhile; ${Math.round((rss() - before) / IDLE)} bytes each`)
  grewAtMost(before, IDLE * 24 * KiB, t, `${IDLE} idle connections`)
  await served()
  assert.ok(list.every(c => !c.over), 'an idle connection was closed early')
  // Still good, each of them.
  const last = list.at(-1)
  last.send(await attacker.head('GET', '/collections/docs'))
  assert.equal((await last.response()).status, 200)
  for (const c of list) c.close()
  await until('them to be gone', async () => (await w.metrics()).sallyport_connections_open <= 2, 20000)
})

test('connections that come and go leave nothing behind', async t => {
  const session = await ticket()
  const round = () => many(MANY * 3, async () => {
    const c = await attacker.open({ session })
    c.send('GET / HTTP/1.1\r\n')
    c.close()
  })
  await round()
  const before = rss()
  await meanwhile(async () => { for (let i = 0; i < 3; i++) await round() })
  await until('them to be gone', async () => (await w.metrics()).sallyport_connections_open <= 2, 20000)
  grewAtMost(before, 8 * MiB, t, `${MANY * 9} connections that came and went`)
})

test('floods of fields are 431 before they are held, and floods of empty lines and fields without end are refused', async t => {
  const before = rss()
  await meanwhile(async () => {
    for (const [flood, status] of [[`GET / HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(200000)}`, 431], [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(MiB)}`, 431], [`GET /${'z'.repeat(MiB)}`, 414], ['\r\n'.repeat(100000), 400]]) {
      await many(20, async () => {
        const c = await attacker.open()
        c.send(flood)
        assert.equal((await c.response()).status, status)
        await c.closed
      })
    }
  })
  grewAtMost(before, 8 * MiB, t, 'floods of fields')
})

// ---------------------------------------------------------------------------------------------------------- tiny pieces

test('a body in 1-byte chunks, each in a TLS record of its own, is the same body, and its framing is bounded', async t => {
  const body = 'x'.repeat(sanitised ? 2000 : 20000)
  const before = rss()
  await meanwhile(async () => {
    const c = await attacker.open()
    c.socket.setNoDelay(true)
    c.send(await attacker.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }))
    for (const byte of body) if (!c.socket.write(`1\r\n${byte}\r\n`)) await new Promise(resolve => c.socket.once('drain', resolve))
    c.send('0\r\n\r\n')
    assert.equal((await c.response()).status, 200)
    c.close()
    const got = shard.requests.findLast(r => r.method === 'PUT')
    assert.equal(got.body.toString(), body)
    assert.ok(got.chunks <= body.length)
  })
  grewAtMost(before, 8 * MiB, t, `${body.length} chunks of one byte`)
})

test('a request in 1-byte TLS records is the same request', async () => {
  const c = await attacker.open()
  c.socket.setNoDelay(true)
  const bytes = `${await attacker.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Content-Length': 5 })}hello${await attacker.head('GET', '/collections/docs')}`
  for (const byte of bytes) c.send(byte)
  assert.equal((await c.response()).status, 200)
  assert.equal((await c.response()).status, 200)
  assert.equal(shard.requests.findLast(r => r.method === 'PUT').body.toString(), 'hello')
  c.close()
})

test('extensions that are larger than the chunks they come with are refused', async () => {
  const c = await attacker.open()
  c.send(`${await attacker.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })}${`1;${'e'.repeat(200)}\r\nx\r\n`.repeat(1000)}`)
  assert.equal((await c.response()).status, 400)
  await c.closed
})
