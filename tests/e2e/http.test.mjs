// SPDX-License-Identifier: GPL-3.0-or-later
// HTTP/1.1 on both sides of the gateway, as bytes: what is passed on, what is refused, and that nothing of a refused request reaches the
// shard. The shard records, and misbehaves on request.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { nothingReaches, refused } from './lib/expect.mjs'
import { port, sanitised, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const MiB = 1 << 20
const SEARCH = '/collections/docs/points/search'
const UPSERT = '/collections/docs/points'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
let w, shard, client

before(async () => {
  shard = await Upstream.start()
  w = await World.make('http', {
    shards: [
      { name: 'recorder', api: 'qdrant', endpoints: [shard.url], timeouts: { first_byte: '2s', idle: '2s' }, credential: { header: 'api-key', file: 'secret' } },
      { name: 'nobody', api: 'qdrant', endpoints: [`http://127.0.0.1:${await port()}`], timeouts: { connect: '500ms' } }
    ],
    routes: [{ collection: 'lost', shard: 'nobody' }, { shard: 'recorder' }],
    change: {
      listener: {
        limits: { request_line: '2KiB', header_bytes: '8KiB', header_count: 40, body_bytes: '17MiB' },
        timeouts: { header: '500ms', body: '1s', idle: '5s' }
      }
    }
  })
  fs.writeFileSync(w.at('secret'), 'the-shards-own-secret\n')
  await w.start()
  client = await w.workload('http')
})

beforeEach(() => {
  shard.answer = undefined
  shard.onBytes = undefined
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const rss = () => Number(fs.readFileSync(`/proc/${w.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)[1]) * 1024
const memoryGrewLittle = before => assert.ok(sanitised || rss() - before < 6 * MiB, `memory grew by ${rss() - before} bytes`)
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')

// ------------------------------------------------------------------------------------------------- connections

test('a connection is kept, and so is the one to the shard', async () => {
  await client.post(SEARCH, QUERY)
  const connections = shard.connections
  const sockets = new Set()
  for (let i = 0; i < 4; i++) sockets.add((await client.post(SEARCH, QUERY)).socket)
  assert.equal(sockets.size, 1)
  assert.equal(shard.connections, connections)
})

test('pipelined requests are answered in order, refusals among them', async () => {
  const raw = await client.open()
  shard.answer = r => json({ path: r.path })
  const wanted = ['/collections/a', '/collections/b', '/nowhere', '/collections/c', '/collections/lost', '/collections/d']
  const heads = await Promise.all(wanted.map(path => client.head('GET', path)))
  raw.send(heads.join(''))
  for (const path of wanted) {
    const answer = await raw.response()
    if (path === '/nowhere') assert.equal(answer.json.code, 'api_unknown')
    else if (path === '/collections/lost') assert.equal(answer.json.code, 'shard_unreachable')
    else assert.equal(answer.json.path, path)
  }
  raw.close()
})

test('pipelined requests with bodies, cut at every kind of place, are told apart', async () => {
  const raw = await client.open()
  shard.answer = r => json({ body: r.body.toString() })
  let bytes = ''
  for (let i = 0; i < 3; i++) bytes += `${await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Content-Length': 9 })}{"n":"${i}"}`
  bytes += `${await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })}4\r\n{"n"\r\n5\r\n:"3"}\r\n0\r\n\r\n`
  for (let at = 0; at < bytes.length; at += 97) raw.send(bytes.slice(at, at + 97))
  for (let i = 0; i < 4; i++) assert.deepEqual(JSON.parse((await raw.response()).json.body), { n: String(i) })
  raw.close()
})

test('Connection: close and HTTP/1.0 end the connection after the answer', async () => {
  for (const head of [await client.head('GET', '/collections/docs', { Connection: 'close' }), (await client.head('GET', '/collections/docs')).replace('HTTP/1.1', 'HTTP/1.0')]) {
    const raw = await client.open()
    raw.send(head)
    const answer = await raw.response()
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.connection, 'close')
    await raw.closed
  }
})

// ------------------------------------------------------------------------------------------------------- bodies

test('chunked bodies are streamed both ways', async () => {
  const body = randomBytes(200000)
  shard.answer = (r, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n')
    for (let at = 0; at < r.body.length; at += 7001) {
      const piece = r.body.subarray(at, at + 7001)
      socket.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)};ext=1\r\n`), piece, Buffer.from('\r\n')]))
    }
    socket.write('0\r\nx-trailer: secret\r\n\r\n')
  }
  const answer = await client.put(UPSERT, body, { headers: { 'transfer-encoding': 'chunked', 'content-type': 'application/json' } })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(shard.last.get('transfer-encoding'), 'chunked')
  assert.equal(shard.last.get('content-length'), undefined)
  assert.equal(sha256(shard.last.body), sha256(body))
  assert.equal(sha256(answer.bytes), sha256(body))
  assert.deepEqual(answer.trailers, {}, 'trailers are dropped')
})

test('an answer that ends with its connection becomes one that has an end', async () => {
  shard.answer = (r, socket) => { socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end') }
  const answer = await client.get('/collections/docs')
  assert.equal(answer.text, 'until the end')
  assert.equal(answer.headers['transfer-encoding'], 'chunked')
  assert.equal((await client.get('/collections/docs')).status, 200)
})

test('trailers of a request are dropped', async () => {
  const raw = await client.open()
  raw.send(`${await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked', Trailer: 'X-Late' })}2\r\n{}\r\n0\r\nX-Late: 1\r\nAuthorization: Bearer x\r\n\r\n`)
  assert.equal((await raw.response()).status, 200)
  assert.equal(shard.last.trailers.trim(), '')
  assert.equal(shard.last.get('trailer'), undefined)
  raw.close()
})

test('HEAD is asked of the shard as HEAD, and its answer has a length and no body', async () => {
  shard.answer = () => 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1234\r\n\r\n'
  const raw = await client.open()
  raw.send(await client.head('HEAD', '/collections/docs') + await client.head('HEAD', '/nowhere') + await client.head('GET', '/nowhere'))
  const answer = await raw.response({ head: true })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-length'], '1234')
  assert.equal(shard.last.method, 'HEAD')
  const refusal = await raw.response({ head: true })
  assert.equal(refusal.status, 403)
  assert.ok(Number(refusal.headers['content-length']) > 0)
  assert.equal((await raw.response()).json.code, 'api_unknown', 'no stray byte lay between')
  raw.close()
})

test('answers without a body, 204 and 304, have none', async () => {
  for (const line of ['204 No Content', '304 Not Modified']) {
    shard.answer = () => `HTTP/1.1 ${line}\r\n\r\n`
    const answer = await client.get('/collections/docs')
    assert.equal(answer.status, parseInt(line))
    assert.equal(answer.text, '')
  }
})

test('100 Continue comes once both gates and the policy said yes', async () => {
  const raw = await client.open()
  const fields = { 'Content-Type': 'application/json', 'Content-Length': 2, Expect: '100-continue' }
  raw.send(await client.head('PUT', UPSERT, fields))
  assert.equal((await raw.response()).status, 100)
  raw.send('{}')
  assert.equal((await raw.response()).status, 200)
  assert.equal(shard.last.get('expect'), undefined)
  raw.close()
})

test('a refused request gets no 100 Continue', async () => {
  for (const [fields, code] of [[{ DPoP: 'x' }, 'proof_invalid'], [{}, 'api_unknown']]) {
    const raw = await client.open()
    const path = code === 'api_unknown' ? '/nowhere' : UPSERT
    const head = await client.head('PUT', path, { 'Content-Type': 'application/json', 'Content-Length': 2, Expect: '100-continue' })
    raw.send(fields.DPoP ? head.replace(/dpop: .*\r\n/, 'dpop: x\r\n') : head)
    const answer = await nothingReaches(shard, () => raw.response())
    assert.equal(answer.json.code, code)
    assert.equal(answer.headers.connection, 'close')
    await raw.closed
  }
})

test('another expectation is 417', async () => {
  const raw = await client.open()
  raw.send(await client.head('PUT', UPSERT, { 'Content-Length': 2, Expect: 'miracles' }))
  assert.equal((await nothingReaches(shard, () => raw.response())).status, 417)
  raw.close()
})

// -------------------------------------------------------------------------------------------------- back-pressure

// Kernels buffer dozens of megabytes on loopback; a sender is seen to be held back only by more than that.
const LARGE = 160 * MiB

// Ends when the number that `count` gives stands still.
async function still(what, count) {
  let last = -1
  let since = Date.now()
  await until(`${what} to stand still`, () => {
    if (count() !== last) [last, since] = [count(), Date.now()]
    return Date.now() - since > 200
  })
}

function upload(body, sent) {
  return { pipe(request) {
    (function more() {
      if (sent.bytes >= body.length) return request.end()
      const piece = body.subarray(sent.bytes, sent.bytes + 65536)
      sent.bytes += piece.length
      if (request.write(piece)) setImmediate(more)
      else request.once('drain', more)
    })()
  } }
}

test('16 MiB bodies pass both ways at once, unchanged', async () => {
  const body = randomBytes(16 * MiB)
  shard.answer = r => Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${r.body.length}\r\n\r\n`), r.body])
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const answer = await client.put(UPSERT, body, { headers: { 'content-type': 'application/json', ...headers } })
    assert.equal(answer.status, 200)
    assert.equal(sha256(shard.last.body), sha256(body))
    assert.equal(sha256(answer.bytes), sha256(body))
  }
})

test('a shard that does not read holds the client back: memory stays bounded, and not a byte is lost', async t => {
  const { body_bytes: bound } = w.config.listener.limits
  w.config.listener.limits.body_bytes = '1GiB'
  w.save()
  await w.reload()
  const large = client.with({})
  t.after(() => { large.close(); w.config.listener.limits.body_bytes = bound; w.save(); return w.reload() })
  const body = randomBytes(LARGE)
  const before = rss()
  const sent = { bytes: 0 }
  let stopped
  shard.onBytes = (data, socket) => {
    shard.onBytes = undefined
    socket.pause()
    stopped = socket
  }
  const answer = large.request('PUT', UPSERT, { headers: { 'content-type': 'application/json', 'content-length': body.length }, body: upload(body, sent) })
  await until('the shard to have its first bytes', () => stopped)
  await still('the sender', () => sent.bytes)
  assert.ok(sent.bytes < LARGE, 'all of it was taken though nobody reads')
  memoryGrewLittle(before)
  stopped.resume()
  assert.equal((await answer).status, 200)
  assert.equal(sha256(shard.last.body), sha256(body))
})

test('a client that does not read holds the shard back: memory stays bounded, and not a byte is lost', async () => {
  const body = randomBytes(LARGE)
  let from
  shard.answer = (r, socket) => {
    from = socket
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body)
  }
  const before = rss()
  const response = await client.get('/collections/docs', { onResponse: r => r })
  response.pause()
  await still('the shard', () => from.bytesWritten - from.writableLength)
  assert.ok(from.writableLength > 0, 'all of it was taken though nobody reads')
  memoryGrewLittle(before)
  const hash = createHash('sha256')
  for await (const piece of response) hash.update(piece)
  assert.equal(hash.digest('hex'), sha256(body))
})

test('a client that sends slowly is not taken for a shard that answers slowly', async () => {
  const pieces = Array.from({ length: 10 }, () => ' '.repeat(4096))
  const answer = await client.request('PUT', UPSERT, {
    headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    body: { pipe(request) { // 10 times 250 ms, with first_byte at 2 s
      (function more() {
        const piece = pieces.pop()
        if (!piece) return request.end()
        request.write(piece)
        setTimeout(more, 250)
      })()
    } }
  })
  assert.equal(answer.status, 200, answer.text)
})

test('a client that leaves in the middle of an upload takes its request at the shard with it', async () => {
  const raw = await client.open()
  const before = shard.requests.length
  let socket
  shard.onBytes = (data, s) => { socket = s }
  raw.send(`${await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Content-Length': 1000000 })}${'x'.repeat(100000)}`)
  await until('the beginning at the shard', () => socket)
  raw.close()
  await until('the end of the connection', () => socket.destroyed)
  assert.equal(shard.requests.length, before)
})

test('a client that leaves in the middle of an answer takes its request at the shard with it', async () => {
  let socket
  shard.answer = (r, s) => {
    socket = s
    s.write('HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n')
    s.write(Buffer.alloc(MiB))
  }
  const raw = await client.open()
  raw.send(await client.head('GET', '/collections/docs'))
  await until('some of the answer', () => raw.received.length > 1000)
  raw.close()
  await until('the end of the connection', () => socket.destroyed)
})

// --------------------------------------------------------------------------------------------- too slow, too large

test('a head that comes too slowly is 408', async () => {
  const raw = await client.open()
  raw.send('GET /collections/docs HTTP/1.1\r\nHost:')
  const answer = await nothingReaches(shard, () => raw.response())
  assert.equal(answer.status, 408)
  assert.equal(answer.json.code, 'request_timeout')
  await raw.closed
})

test('a body that comes too slowly is 408, and the shard never gets the whole of it', async () => {
  for (const path of [UPSERT, SEARCH]) { // one streams, one is read by the gateway first
    const raw = await client.open()
    const before = shard.requests.length
    raw.send(`${await client.head(path === UPSERT ? 'PUT' : 'POST', path, { 'Content-Type': 'application/json', 'Content-Length': 100 })}{`)
    const answer = await raw.response()
    assert.equal(answer.status, 408)
    await raw.closed
    assert.equal(shard.requests.length, before)
  }
})

test('a body over the bound is 413: by its length at once, by its chunks when they are too many', async () => {
  const before = shard.requests.length
  let raw = await client.open()
  raw.send(await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Content-Length': 18 * MiB }))
  const answer = await nothingReaches(shard, () => raw.response())
  assert.equal(answer.status, 413)
  assert.equal(answer.json.code, 'body_too_large')
  await raw.closed
  for (const [method, path] of [['PUT', UPSERT], ['POST', SEARCH]]) {
    raw = await client.open()
    raw.send(await client.head(method, path, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }))
    const chunk = `100000\r\n${' '.repeat(MiB)}\r\n`
    for (let i = 0; i < 18 && !raw.over; i++) {
      if (!raw.socket.write(chunk)) await Promise.race([new Promise(resolve => raw.socket.once('drain', resolve)), raw.closed])
    }
    assert.equal((await raw.response()).status, 413, path)
    await raw.closed
  }
  assert.equal(shard.requests.length, before, 'no whole request came to the shard')
})

test('a long request line is 414, many or large fields are 431', async () => {
  const long = 'x'.repeat(3000)
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`X-Field-${i}`, '1']))
  for (const [path, fields, status, code] of [[`/collections/${long}`, {}, 414, 'uri_too_long'], ['/collections/docs', { 'X-Large': 'x'.repeat(9000) }, 431, 'headers_too_large'],
    ['/collections/docs', many, 431, 'headers_too_large']]) {
    const raw = await client.open()
    raw.send(await client.head('GET', path, fields))
    const answer = await nothingReaches(shard, () => raw.response())
    assert.equal(answer.status, status)
    assert.equal(answer.json.code, code)
    await raw.closed
  }
})

// ------------------------------------------------------------------------------------------------------ malformed

const line = (method, path) => `${method} ${path} HTTP/1.1\r\n`
const MALFORMED = {
  'no Host': h => h.replace(/Host: .*\r\n/, ''),
  'two Hosts': h => h.replace(/(Host: .*\r\n)/, '$1$1'),
  'an empty Host': h => h.replace(/Host: .*\r\n/, 'Host: \r\n'),
  'Content-Length and Transfer-Encoding': h => h.replace('Content-Length: 2', 'Content-Length: 2\r\nTransfer-Encoding: chunked'),
  'two Content-Lengths': h => h.replace('Content-Length: 2', 'Content-Length: 2\r\nContent-Length: 2'),
  'Content-Length as a list': h => h.replace('Content-Length: 2', 'Content-Length: 2, 2'),
  'a signed Content-Length': h => h.replace('Content-Length: 2', 'Content-Length: +2'),
  'a Content-Length that overflows': h => h.replace('Content-Length: 2', 'Content-Length: 18446744073709551618'),
  'Transfer-Encoding gzip, chunked': h => h.replace('Content-Length: 2', 'Transfer-Encoding: gzip, chunked'),
  'Transfer-Encoding identity': h => h.replace('Content-Length: 2', 'Transfer-Encoding: identity'),
  'Transfer-Encoding xchunked': h => h.replace('Content-Length: 2', 'Transfer-Encoding: xchunked'),
  'chunked in HTTP/1.0': h => h.replace('HTTP/1.1', 'HTTP/1.0').replace('Content-Length: 2', 'Transfer-Encoding: chunked'),
  'a field like Transfer-Encoding': h => h.replace('Content-Length: 2', 'Content-Length: 2\r\nTransfer_Encoding: chunked'),
  'a space before the colon': h => h.replace('Content-Length: 2', 'Content-Length : 2'),
  'a folded field': h => h.replace('Content-Length: 2', 'X-Folded: a\r\n b\r\nContent-Length: 2'),
  'a bare LF': h => h.replace('\r\nContent-Length', '\nContent-Length'),
  'a bare CR': h => h.replace('Content-Length', 'X-A: a\rContent-Length'),
  'a NUL': h => h.replace('Content-Length', 'X-A: a\0b\r\nContent-Length'),
  'no field name': h => h.replace('Content-Length', ': x\r\nContent-Length'),
  'Connection that names Authorization': h => h.replace('Content-Length', 'Connection: authorization\r\nContent-Length'),
  'Connection that names DPoP': h => h.replace('Content-Length', 'Connection: dpop\r\nContent-Length'),
  'two spaces in the request line': h => h.replace('PUT ', 'PUT  '),
  'an encoded slash': h => h.replace('/docs/', '/do%2fcs/'),
  'dot segments': h => h.replace('/collections/docs/', '/collections/x/../docs/'),
  'encoded dot segments': h => h.replace('/collections/docs/', '/collections/x/%2e%2e/docs/'),
  'an empty segment': h => h.replace('/collections/docs/', '/collections//docs/'),
  'a bad percent escape': h => h.replace('/docs/', '/do%zzcs/'),
  'an encoded NUL': h => h.replace('/docs/', '/docs%00/'),
  'a fragment': h => h.replace('/points ', '/points#x '),
  'a path without a slash': h => h.replace('PUT /', 'PUT '),
  'garbage': () => '\x16\x03\x01 hello\r\n\r\n'
}

test('a malformed request is 400, its connection is closed, and nothing of it or of what follows reaches the shard', async t => {
  for (const [name, spoil] of Object.entries(MALFORMED)) {
    await t.test(name, async () => {
      const raw = await client.open()
      const head = await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Content-Length': 2 })
      const bad = spoil(head)
      assert.notEqual(bad, head)
      raw.send(`${bad}{}${await client.head('GET', '/collections/smuggled')}`)
      const answer = await nothingReaches(shard, async () => {
        const got = await raw.response()
        await raw.closed
        return got
      })
      assert.equal(answer.status, 400, answer.body)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(answer.headers.connection, 'close')
      assert.equal(raw.received.length, 0, 'one answer, and no more')
    })
  }
})

test('a malformed chunk ends the connection, and the shard never gets the whole request', async t => {
  for (const [name, body] of Object.entries({
    'a size that is no number': 'x\r\n{}\r\n0\r\n\r\n', 'a size with 0x': '0x2\r\n{}\r\n0\r\n\r\n', 'a size that overflows': 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n',
    'no line end after the data': '2\r\n{}0\r\n\r\n', 'a bare LF': '2\n{}\n0\n\n', 'a negative size': '-2\r\n{}\r\n0\r\n\r\n' })) {
    await t.test(name, async () => {
      const before = shard.requests.length
      const raw = await client.open()
      raw.send(`${await client.head('PUT', UPSERT, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })}${body}${await client.head('GET', '/collections/smuggled')}`)
      assert.equal((await raw.response()).status, 400)
      await raw.closed
      assert.equal(shard.requests.length, before)
    })
  }
})

test('versions, methods and upgrades that are not served are refused, and the connection is closed', async t => {
  for (const [name, head, status] of [
    ['HTTP/2.0', line('GET', '/collections/docs').replace('1.1', '2.0'), 505], ['HTTP/1.2', line('GET', '/collections/docs').replace('1.1', '1.2'), 505],
    ['TRACE', line('TRACE', '/collections/docs'), 501], ['BREW', line('BREW', '/collections/docs'), [400, 501]], ['get', line('get', '/collections/docs'), [400, 501]],
    ['CONNECT', line('CONNECT', 'other:443'), 400], ['Upgrade', `${line('GET', '/collections/docs')}Connection: upgrade\r\nUpgrade: h2c\r\n`, 400],
    ['WebSocket', `${line('GET', '/collections/docs')}Connection: Upgrade\r\nUpgrade: websocket\r\n`, 400], ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n', [400, 501, 505]]]) {
    await t.test(name, async () => {
      const raw = await client.open()
      raw.send(`${head}Host: localhost:${w.port}\r\n\r\n`)
      const answer = await nothingReaches(shard, () => raw.response())
      assert.ok([status].flat().includes(answer.status), `${answer.line}: ${answer.body}`)
      await raw.closed
    })
  }
})

test('a GET with a body is refused', async () => {
  const raw = await client.open()
  raw.send(`${await client.head('GET', '/collections/docs', { 'Content-Length': 2 })}{}`)
  assert.equal((await nothingReaches(shard, () => raw.response())).status, 400)
  raw.close()
})

test('absolute form is judged by its own authority', async () => {
  const raw = await client.open()
  raw.send((await client.head('GET', '/collections/docs')).replace('GET /', 'GET https://other.example/'))
  assert.ok([400, 421].includes((await nothingReaches(shard, () => raw.response())).status))
  raw.close()
})

// -------------------------------------------------------------------------------------------------- the shard's side

test('the shard gets its own credential, and none of the client\'s', async () => {
  const answer = await client.post(SEARCH, QUERY, {
    headers: { 'api-key': 'mine', cookie: 'a=b', 'x-api-key': 'mine', 'proxy-authorization': 'Basic eA==', forwarded: 'for=1.2.3.4', 'x-forwarded-for': '1.2.3.4',
      'x-real-ip': '1.2.3.4', 'x-forwarded-client-cert': 'Hash=1', 'x-request-id': 'mine', 'x-whatever': '1', connection: 'x-hop', 'x-hop': '1', 'user-agent': 'tests/1',
      accept: 'application/json', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  })
  assert.equal(answer.status, 200, answer.text)
  const names = shard.last.headers.map(([name]) => name).sort()
  assert.deepEqual(names, ['accept', 'api-key', 'content-length', 'content-type', 'host', 'traceparent', 'user-agent', 'x-request-id'])
  assert.equal(shard.last.get('api-key'), 'the-shards-own-secret')
  assert.equal(shard.last.get('host'), `127.0.0.1:${shard.port}`)
  assert.equal(shard.last.get('x-request-id'), answer.headers['x-request-id'])
  assert.notEqual(answer.headers['x-request-id'], 'mine')
})

test('the client gets what is the client\'s of the shard\'s fields', async () => {
  shard.answer = () => json('{}', { headers: 'server: qdrant\r\nset-cookie: a=b\r\nkeep-alive: timeout=1\r\nwww-authenticate: Basic\r\nx-internal: 1\r\netag: "1"\r\nx-request-id: shards\r\n' })
  const answer = await client.get('/collections/docs')
  assert.deepEqual(Object.keys(answer.headers).filter(n => !['connection', 'keep-alive', 'date'].includes(n)).sort(), ['content-length', 'content-type', 'etag', 'x-request-id'])
  assert.match(answer.headers['x-request-id'], /^[0-9a-f]{32}$/)
})

test('a shard that dies in the middle of an answer cuts it: no client takes half for whole', async t => {
  for (const [name, head] of [['by length', 'content-length: 1000'], ['chunked', 'transfer-encoding: chunked']]) {
    await t.test(name, async () => {
      shard.answer = (r, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n${head}\r\n\r\n${name === 'chunked' ? '5\r\nhello\r\n' : 'hello'}`, () => socket.destroy())
      }
      await assert.rejects(client.get('/collections/docs'), /aborted|socket hang up|ECONNRESET/)
    })
  }
})

test('a shard that stalls in the middle of an answer cuts it, too', async () => {
  shard.answer = (r, socket) => { socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhello') }
  await assert.rejects(client.get('/collections/docs'), /aborted|socket hang up|ECONNRESET/)
})

test('a shard that cannot be connected to is 502', async () => {
  refused(await client.get('/collections/lost'), { status: 502, code: 'shard_unreachable' })
})

test('a shard that does not answer is 504', async () => {
  shard.answer = () => undefined
  refused(await client.get('/collections/docs'), { status: 504, code: 'shard_timeout' })
})

test('a shard that answers with something else is 502', async t => {
  for (const [name, bytes] of Object.entries({
    'garbage': 'hello\r\n\r\n', 'two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx',
    'length and chunked': 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', '101': 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n' })) {
    await t.test(name, async () => {
      shard.answer = () => bytes
      refused(await client.get('/collections/docs'), { status: 502, code: 'shard_invalid' })
    })
  }
})

test('what a shard says beyond its answer is not taken for the next one', async () => {
  shard.answer = () => json('{"n":1}') + json('{"n":"smuggled"}')
  assert.equal((await client.get('/collections/docs')).json.n, 1)
  shard.answer = () => json('{"n":2}')
  assert.equal((await client.get('/collections/docs')).json.n, 2)
})

// A kept connection on which the next request finds nobody. The first answer makes it, whichever loop the client is on.
async function onDeadConnection(request) {
  await client.get('/collections/docs')
  const [requests, connections] = [shard.requests.length, shard.connections]
  shard.answer = (r, socket) => {
    if (shard.connections === connections) socket.destroy()
    else return json('{"again":true}')
  }
  return { answer: await request(), tries: shard.requests.length - requests }
}

test('a read whose kept connection turns out dead is sent again on a new one', async () => {
  for (const request of [() => client.get('/collections/docs'), () => client.post(SEARCH, QUERY)]) {
    const { answer, tries } = await onDeadConnection(request)
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.json, { again: true })
    assert.equal(tries, 2)
  }
})

test('a write is not sent twice', async () => {
  const { answer, tries } = await onDeadConnection(() => client.put(UPSERT, { points: [] }))
  refused(answer, { status: 502, code: 'shard_invalid' })
  assert.equal(tries, 1)
})

test('interim answers of the shard are not passed on', async () => {
  shard.answer = () => 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n' + json('{"n":1}')
  assert.equal((await client.get('/collections/docs')).json.n, 1)
})
