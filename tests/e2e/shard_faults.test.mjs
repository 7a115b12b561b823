// SPDX-License-Identifier: GPL-3.0-or-later
// Shards that fail in every way there is, scripted byte by byte, in plain and behind TLS. What comes of each is one of three: an answer with a
// defined status, the shard's answer whole, or a cut that no client can take for success; and always a record with the right code, and a next
// request that is nobody's victim.
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { port, sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const shards = {}
let w, client, mute, held

before(async () => {
  w = await World.make('faults', { shards: [{ name: 'none', api: 'qdrant', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'none' }], loops: 1 })
  const own = w.ca.issue('shard')
  shards.plain = await Upstream.start()
  shards.tls = await Upstream.start({ tls: { cert: own.certPem, key: own.keyPem, ca: w.ca.bundlePem, rejectUnauthorized: false, requestCert: false } })
  // Takes connections and says nothing; behind `full`, a listener whose queue nobody empties.
  mute = net.createServer(socket => { held.push(socket.on('error', () => {})) })
  held = []
  await new Promise(resolve => mute.listen(0, '127.0.0.1', resolve))
  const timeouts = { connect: '700ms', first_byte: '700ms', idle: '700ms' }
  const tls = { spiffe_id: w.ca.id('shard') }
  const nobody = [await port(), await port()].map(p => `http://127.0.0.1:${p}`)
  w.config.shards = [
    { name: 'plain', api: 'qdrant', endpoints: [shards.plain.url], timeouts },
    { name: 'tls', api: 'qdrant', endpoints: [shards.tls.url], timeouts, tls },
    { name: 'mute', api: 'qdrant', endpoints: [`http://127.0.0.1:${mute.address().port}`], timeouts },
    { name: 'mute-tls', api: 'qdrant', endpoints: [`https://127.0.0.1:${mute.address().port}`], timeouts, tls },
    { name: 'down', api: 'qdrant', endpoints: nobody, timeouts }
  ]
  w.config.routes = w.config.shards.map(s => ({ collection: s.name, shard: s.name }))
  w.save()
  await w.start()
  client = await w.workload('faults')
})

beforeEach(() => { for (const s of Object.values(shards)) s.answer = undefined })

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  for (const s of held ?? []) s.destroy()
  mute?.close()
  client?.close()
  await Promise.all(Object.values(shards).map(s => s.stop()))
})

const KINDS = ['plain', 'tls']
const place = (method, kind) => method === 'PUT' ? `/collections/${kind}/index` : `/collections/${kind}`
const MINE = { whose: 'the next request' }

// Sends one request whose answer is `script`, and behind it one that is answered rightly. Gives what came of both.
async function ask(kind, script, { method = 'GET', minor = 1, body = '{}' } = {}) {
  const shard = shards[kind]
  const connection = await client.open()
  shard.answer = (r, socket) => {
    shard.answer = () => json(MINE, { headers: 'connection: close\r\n' }) // so that the next script begins on a connection of its own
    return script(socket, r)
  }
  const before = shard.requests.length
  const records = w.records().length
  const head = await client.head(method, place(method, kind), method === 'PUT' ? { 'Content-Type': 'application/json', 'Content-Length': body.length } : {})
  connection.send(`${head.replace('HTTP/1.1', `HTTP/1.${minor}`)}${method === 'PUT' ? body : ''}`)
  const got = await connection.response({ head: method === 'HEAD' }).catch(() => undefined)
  const record = await until('the record', () => w.records().slice(records).find(r => r.kind === 'request'))
  if (got) assert.equal(got.headers['x-request-id'], record.request_id)
  const seen = connection.received.toString('latin1')
  const ended = connection.over || connection.ended
  connection.close()
  // Whatever it was: the next request, on another connection, gets what was said to it.
  const next = await client.get(place('GET', kind))
  assert.equal(next.status, 200, next.text)
  assert.deepEqual(next.json, MINE)
  await w.record(next.headers['x-request-id'])
  return { got, record, seen, ended, tries: shard.requests.length - before - 1, connections: shard.requests.slice(-2).map(r => r.connection) }
}

const reused = r => r.connections[0] === r.connections[1]

// The request was not answered by the shard: `status` and `code` for the client, `error` for the record.
function isRefused(r, status, code, error) {
  assert.equal(r.got?.status, status, r.seen)
  assert.equal(r.got.json?.code ?? code, code)
  assert.equal(r.got.headers['content-type'], 'application/problem+json')
  assert.equal(r.record.error, error)
  assert.equal(r.record.status, status)
  assert.equal(r.tries, 1)
  assert.equal(reused(r), false, 'the connection was used again')
}

// What did come is no whole message, and the connection ended.
function isCut(r, error = 'SHARD_CUT') {
  assert.equal(r.got, undefined, 'a whole answer')
  assert.match(r.seen, /^(HTTP\/1\.1 200 [^]*)?$/) // what broke at once may have been dropped before any of it went out
  assert.ok(r.ended, 'the connection is open')
  assert.equal(r.record.error, error)
  assert.equal(r.record.status, 200)
  assert.equal(r.tries, 1)
  assert.equal(reused(r), false)
}

function isWhole(r, status, body, again) {
  assert.equal(r.got?.status, status, r.seen)
  assert.equal(r.got.body, body)
  assert.equal(r.record.error, undefined)
  assert.equal(r.tries, 1)
  assert.equal(reused(r), again, again ? 'the connection was not kept' : 'the connection was used again')
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n'
const say = text => s => { s.write(Buffer.from(text, 'latin1')) }
const sayAndEnd = text => s => { s.end(Buffer.from(text, 'latin1')) }
const sayAndDie = text => s => { (text ? s.write.bind(s, Buffer.from(text, 'latin1')) : setImmediate)(() => setTimeout(() => s.encrypted ? s.destroy() : s.resetAndDestroy(), 20)) }
const chunked = '5\r\nhello\r\n'

async function table(t, rows, check) {
  for (const kind of KINDS) for (const [name, script, ...rest] of rows) await t.test(`${kind}: ${name}`, () => check(kind, script, ...rest))
}

// ------------------------------------------------------------------------------------------------------------- no answer

test('a shard that ends before its answer began is 502, for a read and for a write, and it is asked once', async t => {
  await table(t, [
    ['dies', s => { s.destroy() }], ['is reset', sayAndDie('')], ['closes', s => { s.end() }], ['dies in the status line', sayAndDie('HTTP/1.1 20')], ['closes in a field', sayAndEnd('HTTP/1.1 200 OK\r\ncontent-le')],
    ['closes before the empty line', sayAndEnd('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n')], ['closes after an interim answer', sayAndEnd('HTTP/1.1 100 Continue\r\n\r\n')]
  ], async (kind, script) => {
    for (const method of ['GET', 'PUT']) isRefused(await ask(kind, script, { method }), 502, 'shard_invalid', 'SHARD_ANSWER')
  })
})

test('a shard that is silent is 504', async t => {
  await table(t, [['never answers', () => undefined], ['stops in its head', say('HTTP/1.1 200 OK\r\ncontent-')], ['says 100 and no more', say('HTTP/1.1 100 Continue\r\n\r\n')]],
    async (kind, script) => isRefused(await ask(kind, script), 504, 'shard_timeout', 'SHARD_TIMEOUT'))
})

test('a shard that accepts and never speaks is 504, or 502 where a handshake is due; none that listens, 502: never a hang', async () => {
  for (const [name, status, code, error] of [['mute', 504, 'shard_timeout', 'SHARD_TIMEOUT'], ['mute-tls', 502, 'shard_unreachable', 'SHARD_CONNECT'], ['down', 502, 'shard_unreachable', 'SHARD_CONNECT']]) {
    const from = Date.now()
    const answer = await client.get(`/collections/${name}`)
    assert.equal(answer.status, status, name)
    assert.equal(answer.json.code, code)
    assert.equal((await w.record(answer.headers['x-request-id'])).error, error)
    assert.ok(Date.now() - from < 8000)
  }
})

test('a shard that is down rests: 503 with Retry-After at once, and it is tried again', async () => {
  const statuses = []
  for (let i = 0; i < 12; i++) {
    const answer = await client.get('/collections/down')
    statuses.push(answer.status)
    assert.equal(answer.json.code, 'shard_unreachable')
    if (answer.status !== 503) continue
    assert.equal(answer.headers['retry-after'], '1')
    assert.equal((await w.record(answer.headers['x-request-id'])).error, 'SHARD_DOWN')
  }
  assert.ok(statuses.includes(503), `${statuses}`)
  await sleep(1100)
  assert.equal((await client.get('/collections/down')).status, 502)
})

test('a shard that takes nothing of a long request is 504, and what waits is bounded', async () => {
  const size = 48 << 20
  const body = Buffer.alloc(size, 0x20)
  let stuck
  shards.plain.onBytes = (data, socket) => { socket.pause(); stuck = socket }
  const answer = await client.put('/collections/plain/index', body, { headers: { 'content-type': 'application/json' } }).catch(error => ({ status: error.code }))
  shards.plain.onBytes = undefined
  stuck.destroy()
  // An answer that comes in the middle of an upload may be lost with the connection; its record may not.
  assert.ok([504, 'EPIPE', 'ECONNRESET'].includes(answer.status), `${answer.status}`)
  await until('the record', () => w.records().find(r => r.error === 'SHARD_TIMEOUT' && r.method === 'PUT' && r.kind === 'request'))
  const next = await client.get('/collections/plain')
  assert.equal(next.status, 200)
  await w.record(next.headers['x-request-id'])
})

// --------------------------------------------------------------------------------------------------------------- invalid

const many = n => Array.from({ length: n }, (_, i) => `x-${i}: 1\r\n`).join('')
const GARBAGE = {
  'another protocol': 'SSH-2.0-OpenSSH_9.2\r\n', 'a request': 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'a TLS record': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'NULs': '\0\0\0\0\r\n\r\n',
  'an answer without a status line': '<html></html>\r\n\r\n', 'an empty line first': `\r\n${json('{}')}`, 'HTTP/2.0': 'HTTP/2.0 200 OK\r\n\r\n', 'HTTP/0.9': 'HTTP/0.9 200 OK\r\n\r\n', 'ICY': 'ICY 200 OK\r\n\r\n',
  'status 99': 'HTTP/1.1 099 X\r\n\r\n', 'status 600': 'HTTP/1.1 600 X\r\n\r\n', 'status 2000': 'HTTP/1.1 2000 X\r\n\r\n', 'status x': 'HTTP/1.1 2x0 X\r\n\r\n', 'a status line with a NUL': 'HTTP/1.1 200 O\0K\r\n\r\n',
  'length and chunked': `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 'chunked and length': `${OK}transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n`,
  'two lengths': `${OK}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`, 'two lengths in one': `${OK}content-length: 5, 5\r\n\r\nhello`, 'a negative length': `${OK}content-length: -1\r\n\r\n`, 'a length with a sign': `${OK}content-length: +5\r\n\r\nhello`,
  'an empty length': `${OK}content-length:\r\n\r\n`, 'a length of 2^64': `${OK}content-length: 18446744073709551616\r\n\r\n`, 'a hexadecimal length': `${OK}content-length: 0x5\r\n\r\nhello`,
  'gzip, chunked': `${OK}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 'chunked twice': `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 'identity': `${OK}transfer-encoding: identity\r\n\r\n`,
  'chunked in HTTP/1.0': 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'a folded field': `${OK}x-a: 1\r\n 2\r\ncontent-length: 0\r\n\r\n`, 'a bare LF': 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
  'a bare CR': `${OK}x: a\rcontent-length: 0\r\n\r\n`, 'a space before the colon': `${OK}content-length : 5\r\n\r\nhello`, 'no name': `${OK}: 1\r\n\r\n`, 'a NUL in a field': `${OK}x: a\0\r\n\r\n`,
  'head fields over their bound': `${OK}x-long: ${'x'.repeat(40000)}\r\n\r\n`, 'too many fields': `${OK}${many(200)}\r\n`, 'a status line over its bound': `HTTP/1.1 200 ${'x'.repeat(20000)}\r\n\r\n`,
  'nine interim answers': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(9) + json('{}'), 'an interim answer with a length': `HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\nhello${json('{}')}`,
  '101 that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', '204 that announces a body': 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello',
  '204 that is chunked': 'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'
}

test('what is no answer is 502, and nothing of it reaches the client', async t => {
  await table(t, Object.entries(GARBAGE).map(([name, text]) => [name, say(text)]), async (kind, script) => {
    const r = await ask(kind, script)
    isRefused(r, 502, 'shard_invalid', 'SHARD_ANSWER')
    assert.doesNotMatch(r.got.body, /hello|ssh|html/i)
  })
})

// ------------------------------------------------------------------------------------------------------------------- cut

test('an answer that ends early is cut for the client, too', async t => {
  await table(t, [
    ['by length, closed', sayAndEnd(`${OK}content-length: 6\r\n\r\nhello`)], ['by length, died', sayAndDie(`${OK}content-length: 6\r\n\r\nhello`)], ['by length, nothing of it', sayAndEnd(`${OK}content-length: 6\r\n\r\n`)],
    ['by length, stalled', say(`${OK}content-length: 6\r\n\r\nhello`)], ['chunked, closed in a chunk', sayAndEnd(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhel`)], ['chunked, closed between chunks', sayAndEnd(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}`)],
    ['chunked, died between chunks', sayAndDie(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}`)], ['chunked, closed in the last chunk', sayAndEnd(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}0\r\n`)],
    ['chunked, closed in a trailer', sayAndEnd(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}0\r\nx-trailer: 1\r\n`)], ['chunked, stalled', say(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}`)],
    ['without a length, died', sayAndDie(`${OK}\r\nhello`)], ['without a length, stalled', say(`${OK}\r\nhello`)]
  ], async (kind, script) => isCut(await ask(kind, script)))
})

test('a body that breaks its own framing is 502 while nothing of it has gone out, and cut where it breaks when something has', async t => {
  const head = `${OK}transfer-encoding: chunked\r\n\r\n${chunked}`
  const body = text => [text, say(`${head}${text}`)]
  const later = text => s => { s.write(head); setTimeout(() => s.write(Buffer.from(text, 'latin1')), 200) }
  await table(t, [
    ['a size that is none', body('x\r\nhello\r\n0\r\n\r\n')], ['a size that overflows', body('fffffffffffffffff\r\nhello')], ['a size with a sign', body('-5\r\nhello\r\n0\r\n\r\n')], ['no line end behind a chunk', body('5\r\nhello0\r\n\r\n')],
    ['a bare LF', body('5\nhello\n0\n\n')], ['an extension without end', body(`5;${'x'.repeat(2000)}`)], ['trailers over their bound', body(`0\r\n${many(1000)}\r\n`)], ['a trailer that frames', body('0\r\ncontent-length: 5\r\n\r\n')]
  ].map(([name, [text, at_once]]) => [name, at_once, text]), async (kind, at_once, text) => {
    for (const r of [await ask(kind, at_once), await ask(kind, later(text))]) // on a busy machine the two parts may be one read, and one two
      if (r.got) isRefused(r, 502, 'shard_invalid', 'SHARD_ANSWER')
      else isCut(r, 'SHARD_ANSWER')
  })
})

// ----------------------------------------------------------------------------------------------------------------- whole

const drip = (text, ms) => s => { (async () => { for (const c of text) { s.write(c); await sleep(ms) } })() }
const interim = (...statuses) => statuses.map(n => `HTTP/1.1 ${n} X\r\nlink: </x>\r\n\r\n`).join('')

test('an answer that is odd and whole is passed on whole; its connection is kept only if nothing speaks against it', async t => {
  await table(t, [
    ['HTTP/1.0 with a length', say('HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello'), 200, 'hello', false],
    ['HTTP/1.0 without a length', sayAndEnd('HTTP/1.0 200 OK\r\n\r\nhello'), 200, 'hello', false],
    ['without a length', sayAndEnd(`${OK}\r\nhello`), 200, 'hello', false],
    ['without a length or a body', sayAndEnd(`${OK}\r\n`), 200, '', false],
    ['connection: close', say(`${OK}connection: close\r\ncontent-length: 5\r\n\r\nhello`), 200, 'hello', false],
    ['more than its length', say(`${OK}content-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`), 200, 'hello', false],
    ['more than its chunks', say(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`), 200, 'hello', false],
    ['an empty line behind it', say(`${OK}content-length: 5\r\n\r\nhello\r\n`), 200, 'hello', false],
    ['204 with a body', say('HTTP/1.1 204 No Content\r\n\r\nhello'), 204, '', false],
    ['204', say('HTTP/1.1 204 No Content\r\n\r\n'), 204, '', true],
    ['204 with a length of nothing', say('HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n'), 204, '', true],
    ['304 with a length', say('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'), 304, '', true],
    ['304 with a body', say('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello'), 304, '', false],
    ['100', say(interim(100) + `${OK}content-length: 5\r\n\r\nhello`), 200, 'hello', true],
    ['100, 102, 103', say(interim(100, 102, 103) + `${OK}content-length: 5\r\n\r\nhello`), 200, 'hello', true],
    ['eight of 103', say(interim(...Array(8).fill(103)) + `${OK}content-length: 5\r\n\r\nhello`), 200, 'hello', true],
    ['no reason', say('HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello'), 200, 'hello', true],
    ['a reason in Latin-1', say('HTTP/1.1 200 Ori\xebntatie\r\ncontent-length: 5\r\n\r\nhello'), 200, 'hello', true],
    ['1-byte chunks', say(`${OK}transfer-encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(2000)}0\r\n\r\n`), 200, 'x'.repeat(2000), true],
    ['slowly, byte by byte', drip('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', 20), 200, 'hello', true]
  ], async (kind, script, status, body, again) => isWhole(await ask(kind, script), status, body, again))
})

test('an answer to HEAD has no body, whatever follows it', async t => {
  await table(t, [['a length alone', say(`${OK}content-length: 5\r\n\r\n`), true], ['a body', say(`${OK}content-length: 5\r\n\r\nhello`), false], ['chunked alone', say(`${OK}transfer-encoding: chunked\r\n\r\n`), true],
    ['chunks', say(`${OK}transfer-encoding: chunked\r\n\r\n${chunked}0\r\n\r\n`), false]],
  async (kind, script, again) => isWhole(await ask(kind, script, { method: 'HEAD' }), 200, '', again))
})

test('an answer that is over before its request is, is the answer; the rest of the request is nobody\'s, and the connection is not used again', async t => {
  for (const kind of KINDS) {
    for (const ends of [false, true]) {
      await t.test(`${kind}, ${ends ? 'closing' : 'open'}`, async () => {
        const shard = shards[kind]
        const connection = await client.open()
        const [requests, connections] = [shard.requests.length, shard.connections]
        shard.onBytes = (data, socket) => {
          shard.onBytes = undefined
          const text = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge'
          if (ends) socket.end(text)
          else socket.write(text)
        }
        connection.send(`${await client.head('PUT', place('PUT', kind), { 'Content-Type': 'application/json', 'Content-Length': 20 })}0123456789`)
        const answer = await connection.response()
        assert.equal(answer.status, 413)
        assert.equal(answer.body, 'large')
        // The second half, and a request behind it on the same connection.
        connection.send(`0123456789${await client.head('GET', place('GET', kind))}`)
        assert.equal((await connection.response()).status, 200)
        assert.ok(shard.connections > connections)
        assert.ok(shard.requests.slice(requests).every(r => r.method === 'GET'), 'the rest of the first request was taken for something')
        connection.close()
      })
    }
  }
})

// ---------------------------------------------------------------------------------------------------------- kept connections

test('what a shard says on a kept connection unasked is nobody\'s answer', async t => {
  for (const kind of KINDS) {
    await t.test(kind, async () => {
      let socket
      shards[kind].answer = (r, s) => { socket = s.setNoDelay(true); return json({ n: 1 }) }
      assert.equal((await client.get(place('GET', kind))).json.n, 1)
      // Once it is on its way it is found, whether the gateway's loop has heard of it or not; one that crosses the next request nobody can tell.
      await new Promise(resolve => socket.write(json({ n: 'unasked' }), resolve))
      shards[kind].answer = () => json({ n: 2 })
      assert.equal((await client.get(place('GET', kind))).json.n, 2)
      await until('the end of that connection', () => socket.destroyed)
    })
  }
})

test('a kept connection that the shard has closed costs nobody a request, a write neither', async t => {
  for (const kind of KINDS) {
    for (const method of ['GET', 'PUT']) {
      await t.test(`${kind}, ${method}`, async () => {
        for (let i = 0; i < 20; i++) {
          let socket
          shards[kind].answer = (r, s) => { socket = s.setNoDelay(true); return json({}) }
          await client.request(method, place(method, kind), { body: method === 'PUT' ? {} : undefined })
          await new Promise(resolve => socket.end(resolve))
          const answer = await client.request(method, place(method, kind), { body: method === 'PUT' ? {} : undefined })
          assert.equal(answer.status, 200, answer.text)
        }
      })
    }
  }
})
