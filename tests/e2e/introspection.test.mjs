// SPDX-License-Identifier: GPL-3.0-or-later
// Opaque tokens with the real process, and introspection servers over real TLS: one knows the gateway by a secret, the other by its certificate.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { nothingReaches, refused } from './lib/expect.mjs'
import { until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { Introspector } from './lib/introspector.mjs'
import { dumpLogs } from './lib/program.mjs'
import { boundToCertificate, boundToKey, newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const SECRET = 'a secret: with/all+sorts%'
const LOOPS = 2
let w, shard, secret, mtls, who, thief, keys, signed
const seen = []

// A client of `name`'s with an opaque token of `idp`.
const opaque = async (idp, cnf, { as = who, claims, scheme, sockets } = {}) => {
  const token = idp.issue(who.id, cnf, claims)
  seen.push(token)
  return w.workload('opaque', { who: as, token, keys: cnf?.jkt ? keys : null, scheme: scheme ?? (cnf?.jkt ? 'DPoP' : 'Bearer'), sockets })
}
const challenge = /^DPoP algs=/

before(async () => {
  shard = await Upstream.start()
  w = await World.make('introspection', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], loops: LOOPS })
  who = w.ca.issue('rag')
  thief = w.ca.issue('thief')
  keys = await newProofKey()
  const server = w.ca.issue('idp')
  secret = await Introspector.start({ iss: 'https://secret.example', who: server, ca: w.bundle, clientId: 'gateway', secret: SECRET })
  mtls = await Introspector.start({ iss: 'https://mtls.example', who: server, ca: w.bundle, clientId: 'gate/way', caller: w.ca.id('gateway'), prefix: 'mt_' })
  fs.writeFileSync(w.at('secret'), `${SECRET}\n`, { mode: 0o600 })
  const issuer = (name, idp, more) => ({
    name, issuer: idp.iss, audiences: ['sallyport'], binding: 'either', scopes: { 'vectors.rw': ['readonly', 'readwrite', 'admin'] },
    asserts: { trust_domains: ['example.org'] },
    introspection: { url: idp.url, client_id: idp.clientId, cache: '2s', refusals: '2s', timeout: '5s', breaker: { failures: 3, open: '2s' }, ...more }
  })
  w.config.issuers.push(
    issuer('secret', secret, { tls: { spiffe_id: w.ca.id('idp') }, client_secret_file: w.at('secret') }),
    issuer('mtls', mtls, { timeout: '2s', tls: { ca: w.ca.bundle, spiffe_id: w.ca.id('idp'), certificate: w.server.cert, key: w.server.key }, prefix: 'mt_' }))
  w.save()
  await w.start()
  signed = await w.workload('signed', { who })
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await secret?.stop()
  await mtls?.stop()
  await shard?.stop()
})

test('rule 17: an opaque token bound to a DPoP key works, and is held to that key', async () => {
  for (const idp of [secret, mtls]) {
    const client = await opaque(idp, await boundToKey(keys))
    const answer = await client.get(DOCS)
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(idp.calls.map(c => [c.hint, c.url]).at(-1), ['access_token', '/introspect'])
    const record = await w.record(answer.headers['x-request-id'])
    assert.equal(record.subject, who.id)
    assert.equal(record.issuer, idp.iss)
    assert.match(record.jti, /^sha256:[\w-]{43}$/, 'the server repeats the token as its jti')
    const stolen = client.with({ keys: await newProofKey() })
    refused(await nothingReaches(shard, () => stolen.get(DOCS)), { status: 401, code: 'token_not_yours', challenge })
    const bearer = client.with({ keys: undefined, scheme: 'Bearer' })
    refused(await nothingReaches(shard, () => bearer.get(DOCS)), { status: 401, code: 'token_scheme', challenge })
  }
})

test('rule 17: an opaque token bound to a certificate works, and is held to that certificate', async () => {
  for (const idp of [secret, mtls]) {
    const client = await opaque(idp, boundToCertificate(who.certPem))
    assert.equal((await client.get(DOCS)).status, 200)
    refused(await nothingReaches(shard, () => client.with({ who: thief }).get(DOCS)), { status: 401, code: 'token_not_yours', challenge })
  }
})

test('an unbound token, one of another audience or issuer, and a refresh token are refused', async () => {
  const cnf = await boundToKey(keys)
  for (const [bound, claims] of [[undefined, {}], [cnf, { aud: 'elsewhere' }], [cnf, { aud: undefined }], [cnf, { iss: 'https://else.example' }],
    [cnf, { token_type: 'refresh_token' }], [cnf, { exp: undefined }], [{ ...cnf, kid: 'x' }, {}], [cnf, { sub: 'spiffe://other.example/rag' }]]) {
    const client = await opaque(secret, bound, { claims })
    const answer = await nothingReaches(shard, () => client.get(DOCS))
    assert.equal(answer.status, 401, JSON.stringify(claims))
    assert.match(answer.headers['www-authenticate'], /error="invalid_token"/)
  }
})

test('an inactive token is refused, and not asked about again for a while', async () => {
  const token = 'an-unknown-opaque-token'
  const client = await w.workload('x', { who, token, keys })
  for (let i = 0; i < 10; i++) refused(await nothingReaches(shard, () => client.get(DOCS)), { status: 401, code: 'token_inactive', challenge })
  assert.equal(secret.asked(token), 1) // one connection, one loop
  await sleep(2100)
  refused(await client.get(DOCS), { status: 401, code: 'token_inactive', challenge })
  assert.equal(secret.asked(token), 2)
})

test('fifty requests at once with one token cost at most one question for each loop', async () => {
  const client = await opaque(secret, await boundToKey(keys), { sockets: 50 })
  // Fifty handshakes may take longer than an answer is remembered.
  await Promise.all(Array.from({ length: 50 }, () => client.get(DOCS, { headers: { authorization: undefined, dpop: undefined } })))
  secret.delay = 200
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.get(DOCS)))
  secret.delay = 0
  assert.deepEqual(answers.map(a => a.status).filter(s => s !== 200), [])
  const asked = secret.asked(client.token)
  assert.ok(asked >= 1 && asked <= LOOPS, `${asked} questions`)
  const m = await w.metrics()
  assert.ok(m['sallyport_introspections_total{result="joined"}'] >= 50 - LOOPS)
})

test('a client that leaves while the issuer is asked takes nobody with it', async () => {
  secret.delay = 400
  const client = await opaque(secret, await boundToKey(keys), { sockets: 4 })
  await assert.rejects(client.get(DOCS, { timeout: 100 }))
  assert.equal((await client.get(DOCS)).status, 200)
  secret.delay = 0
})

test('a token that is revoked at the issuer is refused within the cache time', async () => {
  const client = await opaque(secret, await boundToKey(keys))
  assert.equal((await client.get(DOCS)).status, 200)
  secret.revoke(client.token)
  const since = Date.now()
  let permitted = since
  await until('the refusal', async () => {
    const asked = Date.now()
    if ((await client.get(DOCS)).status === 401) return true
    permitted = asked
  })
  assert.ok(permitted - since < 3500, 'it took longer than the cache may')
})

test('a server that is down is 503 quickly and for its own tokens only, and recovers', async () => {
  const cnf = await boundToKey(keys)
  const other = await opaque(mtls, cnf)
  await secret.stop()
  let slowest = 0
  for (let i = 0; i < 8; i++) {
    const client = await opaque(secret, cnf)
    const before = Date.now()
    const answer = await nothingReaches(shard, () => client.get(DOCS))
    slowest = Math.max(slowest, Date.now() - before)
    refused(answer, { status: 503, code: 'introspection_failed' })
    assert.match(answer.headers['retry-after'], /^[1-9]$/)
  }
  assert.ok(slowest < 4000, `${slowest} ms`) // well before the timeout
  assert.ok((await w.metrics())['sallyport_introspection_breakers_open'] >= 1)
  assert.equal((await signed.get(DOCS)).status, 200)
  assert.equal((await other.get(DOCS)).status, 200)
  await secret.listen()
  const client = await opaque(secret, cnf)
  await until('the server is asked again', async () => (await client.get(DOCS)).status === 200, 8000)
})

test('a server that hangs is 503 within the timeout', async () => {
  const client = await opaque(mtls, await boundToKey(keys))
  mtls.delay = 8000
  const before = Date.now()
  refused(await nothingReaches(shard, () => client.get(DOCS)), { status: 503, code: 'introspection_failed' })
  assert.ok(Date.now() - before < 7000)
  mtls.delay = 0
})

test('a server that does not know the gateway is 503, and the log says so once', async () => {
  const right = mtls.clientId
  mtls.clientId = 'somebody else'
  for (let i = 0; i < 2; i++) {
    const client = await opaque(mtls, await boundToKey(keys))
    refused(await nothingReaches(shard, () => client.get(DOCS)), { status: 503, code: 'introspection_failed' })
  }
  mtls.clientId = right
  assert.equal(w.process.log.split('does not take the gateway').length - 1, 1)
})

test('no opaque token is in the audit log, in the log, or with the shard', async () => {
  assert.ok(seen.length > 20)
  const audit = fs.readFileSync(w.audit, 'utf8')
  const reached = JSON.stringify(shard.requests.map(r => [r.path, r.headers, r.body?.toString('latin1')]))
  for (const token of seen) for (const text of [audit, w.process.log, reached]) assert.ok(!text.includes(token))
})
