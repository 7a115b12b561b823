// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport connect` before gateways that fail in every way: played by the test, with a gateway's certificate. What is sent again, and what never.
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import * as jose from 'jose'
import { Authority } from './lib/ca.mjs'
import { Connect } from './lib/connect.mjs'
import { temporary, until } from './lib/files.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
let ca, first, second, endpoint, c, small, id, start
let tokens = 0

const answer = (status, body, fields = '') =>
  `HTTP/1.1 ${status} X\r\ncontent-type: ${status < 400 ? 'application/json' : 'application/problem+json'}\r\n${fields}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const problem = (status, code, fields) => answer(status, JSON.stringify({ type: 'about:blank', title: 'X', status, code, request_id: 'abc' }), `x-request-id: abc\r\n${fields ?? ''}`)
const ok = name => () => answer(200, JSON.stringify({ by: name }))
const proof = request => jose.decodeJwt(request.get('dpop'))

before(async () => {
  const folder = temporary('connect-faults')
  ca = new Authority(folder, 'example.org')
  const server = ca.issue('gateway', { dns: ['localhost'] })
  id = server.id
  const tls = { cert: server.certPem, key: server.keyPem, ca: ca.bundlePem }
  ;[first, second, endpoint] = await Promise.all([1, 2, 3].map(() => Upstream.start({ tls })))
  endpoint.answer = () => answer(200, JSON.stringify({ access_token: `token-${++tokens}`, token_type: 'DPoP', expires_in: 300 }))
  const w = { at: file => `${folder}/${file}`, ca, port: first.port, server }
  start = (name, connect) => Connect.start(name, {
    who: ca.issue('search', { out: name }), gateways: [w],
    change: { connect: {
      gateways: [first, second].map(g => ({ url: `https://localhost:${g.port}`, spiffe_id: id })),
      token: { endpoint: { url: `https://localhost:${endpoint.port}/token`, spiffe_id: id } }, timeouts: { first_byte: '2s' }, ...connect
    } }
  })
  c = await start('faults')
  small = await start('small', { buffer: 1024 })
})

beforeEach(() => {
  for (const g of [first, second]) g.requests.length = 0
  first.answer = ok('first')
  second.answer = ok('second')
})

after(async () => {
  dumpLogs(c?.process, small?.process)
  await c?.stop()
  await small?.stop()
  for (const u of [first, second, endpoint]) await u?.stop()
})

// A proof says second for second when it was made, and is made anew for each try.
const distinct = requests => assert.equal(new Set(requests.map(r => proof(r).jti)).size, requests.length)

test('a POST that changes something and whose gateway died is not sent again; a PUT and a search are, to the next', async () => {
  first.answer = (request, socket) => { socket.destroy() }
  for (const path of ['/collections/docs/points/delete', '/api/v2/tenants/t/databases/d/collections/c/add', '/no/such/thing']) {
    const post = await c.post(path, QUERY)
    assert.deepEqual([post.status, post.json.code], [502, 'gateway_cut'], post.text)
    assert.match(post.json.detail, /may have been done/)
  }
  assert.equal(second.requests.length, 0)
  for (const path of [SEARCH, '/api/v2/tenants/t/databases/d/collections/c/query', '/v2/vectordb/entities/search', '/v1/graphql'])
    assert.deepEqual((await c.post(path, QUERY)).json, { by: 'second' }, path)
  const put = await c.request('PUT', '/collections/docs/points', { body: { points: [] } })
  assert.deepEqual([put.status, put.json], [200, { by: 'second' }])
  assert.deepEqual(JSON.parse(second.last.body), { points: [] })
  distinct([...first.requests, ...second.requests])
})

test('a POST that a closing gateway did not read is sent again', async () => {
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  let closed = 0
  first.answer = (request, socket) => {
    if (closed++ === 0) return void socket.end() // close_notify, and no answer
    return answer(200, '{}')
  }
  const again = await c.post(SEARCH, QUERY)
  assert.equal(again.status, 200, again.text)
  assert.equal(closed, 2)
  distinct(first.requests)
})

test('a POST that was read is not sent again because somebody on the way spoils the connection', async t => {
  // Garbage on a connection that is open makes the gateway end TLS with an alert, as it does when it judges a certificate.
  let inject
  const between = net.createServer(near => {
    const far = net.connect(first.port, '127.0.0.1')
    near.on('error', () => {}).pipe(far).on('error', () => {}).pipe(near)
    inject = () => far.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 64]), Buffer.alloc(64, 7)]))
  })
  await new Promise(resolve => between.listen(0, '127.0.0.1', resolve))
  const spoiled = await start('spoiled', {
    gateways: [between.address(), second].map(g => ({ url: `https://localhost:${g.port}`, spiffe_id: id }))
  })
  t.after(async () => { await spoiled.stop(); between.close() })
  first.answer = () => { inject() }
  const post = await spoiled.post('/collections/docs/points/delete', { points: [1] })
  assert.equal(post.status, 502, post.text)
  assert.deepEqual([first.requests.length, second.requests.length], [1, 0])
})

test('a gateway that decides nothing hands over to the next, whatever the request is', async () => {
  for (const code of ['draining', 'overloaded', 'keys_stale', 'audit_unavailable']) {
    first.answer = () => problem(503, code, 'retry-after: 1\r\n')
    assert.deepEqual((await c.post(SEARCH, QUERY)).json, { by: 'second' }, code)
  }
  second.answer = () => problem(503, 'overloaded', 'retry-after: 7\r\n')
  const both = await c.post(SEARCH, QUERY)
  assert.deepEqual([both.status, both.json.code, both.json.gate, both.headers['retry-after'], both.headers['x-request-id']], [503, 'overloaded', 'gateway', '7', 'abc'])
})

test('what a database may have done is never done twice', async () => {
  for (const code of ['shard_timeout', 'shard_cut', 'shard_invalid']) {
    first.answer = () => problem(code === 'shard_timeout' ? 504 : 502, code)
    assert.equal((await c.post(SEARCH, QUERY)).json.code, code)
  }
  assert.deepEqual([first.requests.length, second.requests.length], [3, 0])
})

test('a nonce is answered once, kept, and sent ahead from then on', async () => {
  const challenge = nonce => problem(401, 'proof_nonce', `www-authenticate: DPoP error="use_dpop_nonce", algs="ES256"\r\ndpop-nonce: ${nonce}\r\n`)
  first.answer = request => proof(request).nonce === 'n1' ? answer(200, '{}') : challenge('n1')
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  assert.deepEqual(first.requests.map(r => proof(r).nonce), [undefined, 'n1'])
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  assert.equal(first.requests.length, 3)
  distinct(first.requests)
  // A gateway that is never content is not asked for ever, and its challenge is no business of the application's.
  first.requests.length = 0
  first.answer = () => challenge('n2')
  const refused = await c.post(SEARCH, QUERY)
  assert.deepEqual([refused.status, refused.json.code, first.requests.length], [401, 'proof_nonce', 2])
  assert.deepEqual([refused.headers['www-authenticate'], refused.headers['dpop-nonce']], [undefined, undefined])
})

test('a body that was not kept is not sent again', async () => {
  first.answer = () => problem(401, 'proof_nonce', 'www-authenticate: DPoP error="use_dpop_nonce"\r\ndpop-nonce: n3\r\n')
  const long = await small.post(SEARCH, { vector: Array(100000).fill(0.5) })
  assert.deepEqual([long.status, long.json.code, first.requests.length], [401, 'proof_nonce', 1])
  assert.match(long.json.detail, /send it again/)
  first.answer = request => proof(request).nonce === 'n3' ? answer(200, '{}') : problem(401, 'proof_nonce')
  assert.equal((await small.post(SEARCH, { vector: Array(100000).fill(0.5) })).status, 200)
})

test('a token that is refused is replaced, and the request sent once more', async () => {
  const used = () => first.requests.map(r => r.get('authorization'))
  first.answer = () => first.requests.length === 1 ? problem(401, 'token_expired', 'www-authenticate: DPoP error="invalid_token"\r\n') : answer(200, '{}')
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  assert.equal(used().length, 2)
  assert.match(used()[1], /^DPoP token-\d+$/)
  assert.notEqual(used()[0], used()[1])
  // Where none is to be had, the gateway's own word is what the application hears.
  endpoint.answer = () => answer(400, '{"error":"unauthorized_client"}')
  first.answer = () => problem(401, 'token_revoked', 'www-authenticate: DPoP error="invalid_token"\r\n')
  const refused = await c.post(SEARCH, QUERY)
  assert.deepEqual([refused.status, refused.json.code, refused.json.gate], [401, 'token_revoked', 'token'])
  assert.match(refused.json.detail, /the token endpoint answered 400 unauthorized_client/)
})

test('an answer that breaks off breaks off; one that is no HTTP is an error', async () => {
  first.answer = (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"half')
    setTimeout(() => socket.destroy(), 20)
  }
  await assert.rejects(c.post(SEARCH, QUERY), /aborted|ECONNRESET|socket hang up/)
  first.answer = () => 'SSH-2.0-OpenSSH_9.2\r\n\r\n'
  const odd = await c.post('/collections/docs/points/delete', QUERY)
  assert.deepEqual([odd.status, odd.json.code], [502, 'gateway_cut'], odd.text)
  first.answer = () => `HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`
  assert.equal((await c.post('/collections/docs/points/delete', QUERY)).status, 502)
})

test('one that does not answer in time is told so', async () => {
  first.answer = () => undefined
  const late = await c.post('/collections/docs/points/delete', QUERY)
  assert.deepEqual([late.status, late.json.code], [504, 'gateway_timeout'], late.text)
  assert.equal(second.requests.length, 0)
})

test('an application that leaves while it waits costs nothing', async () => {
  first.answer = () => undefined
  const leave = new AbortController()
  const gone = fetch(`${c.url}${SEARCH}`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' }, signal: leave.signal })
  await until('the request', () => first.requests.length === 1)
  leave.abort()
  await assert.rejects(gone, /abort/i)
  await until('the end of it', () => first.sockets.size === 0 || first.closed > 0)
  first.answer = ok('first')
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
})
