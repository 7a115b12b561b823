// SPDX-License-Identifier: GPL-3.0-or-later
// Shards behind TLS: the gateway knows them by SPIFFE ID or name, and they know the gateway by its certificate.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { refused } from './lib/expect.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

let w, client
const shards = {}

before(async () => {
  w = await World.make('shard-tls', { shards: [{ name: 'none', api: 'qdrant', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'none' }] })
  const stranger = new OpenSslAuthority(w.folder, 'example.org')
  const towards = w.ca.issue('gateway-towards-shards')
  const right = w.ca.issue('shard', { dns: ['vectors.example.org'] })
  const late = stranger.issue('shard', { out: 'expired', not: [new Date(Date.now() - 7200000), new Date(Date.now() - 3600000)] })
  const serve = (who, more = {}) => ({ cert: who.certPem, key: who.keyPem, ca: w.ca.bundlePem, rejectUnauthorized: true, ...more })
  const id = w.ca.id('shard')
  const mutual = { certificate: towards.cert, key: towards.key }
  const list = [
    ['right', serve(right), { spiffe_id: id, ...mutual }],
    ['wrong-id', serve(right), { spiffe_id: w.ca.id('another'), ...mutual }],
    ['prefix-id', serve(right), { spiffe_id: w.ca.id('shar'), ...mutual }],
    ['impostor', serve(stranger.issue('shard')), { spiffe_id: id, ...mutual }],
    ['expired', serve(late), { spiffe_id: id, ca: stranger.bundle, ...mutual }],
    ['own-ca', serve(stranger.issue('shard', { out: 'own' })), { spiffe_id: id, ca: stranger.bundle, ...mutual }],
    ['by-name', serve(right), { server_name: 'vectors.example.org', ca: w.ca.bundle, ...mutual }],
    ['wrong-name', serve(right), { server_name: 'other.example.org', ca: w.ca.bundle, ...mutual }],
    ['we-have-none', serve(right), { spiffe_id: id }],
    ['cut-off', serve(right), { spiffe_id: id, ...mutual }],
    ['old-tls', serve(right, { maxVersion: 'TLSv1.2' }), { spiffe_id: id, ...mutual }]
  ]
  for (const [name, tls] of list) shards[name] = await Upstream.start({ tls })
  shards.plain = await Upstream.start()
  w.config.shards = [...list.map(([name, , tls]) => ({ name, api: 'qdrant', endpoints: [shards[name].url], tls, timeouts: { connect: '2s', first_byte: '2s' } })),
    { name: 'plain', api: 'qdrant', endpoints: [`https://127.0.0.1:${shards.plain.port}`], tls: { spiffe_id: id }, timeouts: { connect: '2s' } }]
  w.config.routes = w.config.shards.map(s => ({ collection: s.name, shard: s.name }))
  w.save()
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await Promise.all(Object.values(shards).map(s => s.stop()))
})

const ask = name => client.get(`/collections/${name}`)

// 502, nothing but the handshake at the shard, and the reason in the record.
async function notTrusted(name, error = 'SHARD_TLS') {
  const answer = await ask(name)
  refused(answer, { status: 502, code: 'shard_unreachable' })
  assert.equal(shards[name].requests.length, 0)
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.decision, 'allow')
  assert.equal(record.error, error)
}

test('a shard with the right SPIFFE ID gets the request, and knows the gateway by its own', async () => {
  assert.equal((await ask('right')).status, 200)
  assert.match(shards.right.last.certificate.subjectaltname, /URI:spiffe:\/\/example\.org\/gateway-towards-shards/)
  const { connections } = shards.right
  for (let i = 0; i < 3; i++) assert.equal((await ask('right')).status, 200)
  assert.equal(shards.right.connections, connections, 'the connection is kept')
})

test('large bodies pass through TLS on both sides', async () => {
  const body = Buffer.alloc(3 << 20, 'vector ')
  shards.right.answer = r => json(JSON.stringify({ n: r.body.length, echo: r.body.toString() }))
  const answer = await client.put('/collections/right/points', body, { headers: { 'content-type': 'application/json' } })
  shards.right.answer = undefined
  assert.equal(answer.json.n, body.length)
  assert.equal(answer.json.echo, body.toString())
})

test('a shard with another SPIFFE ID is 502', () => notTrusted('wrong-id'))
test('a SPIFFE ID that only begins like the right one is 502', () => notTrusted('prefix-id'))
test('a shard with the right ID from another CA is 502', () => notTrusted('impostor'))
test('a shard whose certificate has expired is 502', () => notTrusted('expired'))
test('a shard that speaks no TLS is 502', () => notTrusted('plain', 'SHARD_CONNECT'))
test('a shard that speaks only old TLS is 502', () => notTrusted('old-tls'))
test('a CA of its own may vouch for a shard', async () => assert.equal((await ask('own-ca')).status, 200))
test('a shard may be known by name', async () => assert.equal((await ask('by-name')).status, 200))
test('a shard with another name is 502', () => notTrusted('wrong-name'))

test('a shard that wants a certificate from a gateway that has none is 502', async () => {
  const answer = await ask('we-have-none')
  assert.equal(answer.status, 502, answer.text)
  assert.equal(shards['we-have-none'].requests.length, 0)
})

test('an answer whose end is the end of a connection that was cut is not taken for whole', async () => {
  shards['cut-off'].answer = (r, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhalf of it', () => socket.destroy())
  }
  await assert.rejects(ask('cut-off'), /aborted|socket hang up|ECONNRESET/)
  shards['cut-off'].answer = (r, socket) => { socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it') }
  assert.equal((await ask('cut-off')).text, 'all of it')
})
