// SPDX-License-Identifier: GPL-3.0-or-later
// The main job: who has a certificate and a token bound to it or to a key gets to the database, and nobody else does. One gateway of two
// event loops, a real Chroma server, and a recording shard which proves that a refusal stayed a refusal.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { startChroma } from './lib/chroma.mjs'
import { Client } from './lib/client.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { temporary, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { boundToCertificate, boundToKey, forge, Issuer, newProofKey, prove } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("retrieval")
permit (principal == Workload::"spiffe://example.org/retrieval", action in [Action::"readwrite", Action::"create"], resource)
unless { resource has name && resource.name == "payroll" };

@id("partner")
permit (principal in TrustDomain::"partner.example", action, resource is Collection) when { resource.name == "docs" };

@id("sealed")
forbid (principal, action, resource) when { resource has name && resource.name like "sealed-*" };
`

const SEARCH = '/collections/docs/points/search'
const ALERT = /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|ACCESS_DENIED|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED))/
const QUERY = { vector: [0.1, 0.2], limit: 3 }
let w, chroma, shard, partner, certificateIssuer, retrieval, folder

before(async () => {
  folder = temporary('both-gates')
  shard = await Upstream.start()
  chroma = await startChroma('one', folder)
  partner = new OpenSslAuthority(folder, 'partner.example')
  certificateIssuer = await Issuer.make(`${folder}/certificate-jwks.json`, { iss: 'https://certificates.example' })
  w = await World.make('both-gates', {
    shards: [{ name: 'chroma', api: 'chroma', endpoints: [chroma.url] }, { name: 'recorder', api: 'qdrant', endpoints: [shard.url] }],
    routes: [{ tenant: '*', shard: 'chroma' }, { shard: 'recorder' }],
    policies: POLICY
  })
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  Object.assign(w.config.trust_domains[0], { crls: [w.at('crl.pem')] })
  w.config.trust_domains.push({ name: 'partner.example', bundle: partner.bundle })
  w.config.issuers[0].asserts.trust_domains.push('partner.example')
  w.config.issuers.push({
    name: 'certificates', issuer: certificateIssuer.iss, jwks: certificateIssuer.jwks, audiences: ['sallyport'], binding: 'certificate', scopes: SCOPES,
    asserts: { trust_domains: ['example.org'] }
  })
  w.save()
  await w.start()
  retrieval = await w.workload('retrieval')
})

after(async () => {
  dumpLogs(w?.process, chroma)
  await w?.stop()
  await Promise.all([chroma?.stop(), shard?.stop()])
})

// Both gates as they should be, but for what `change` says; it must not reach the shard.
async function attack(change, expected, { path = SEARCH, method = 'POST' } = {}) {
  const answer = await nothingReaches(shard, () => retrieval.request(method, path, { body: method === 'POST' ? QUERY : undefined, ...change }))
  refused(answer, expected)
  return answer
}

// The refused handshake in the audit file, which is more precise than a TLS alert.
async function handshakeRecord(before, error) {
  await until(`the record of a handshake with ${error}`, () => w.records().slice(before).some(r => r.kind === 'handshake' && r.error === error))
}

const withProof = proof => ({ headers: { dpop: proof } })
const facts = (more = {}) => ({ url: retrieval.origin + SEARCH, method: 'POST', token: retrieval.token, ...more })

// ---------------------------------------------------------------------------------------------------- open

test('an upsert and a search that both gates and the policy allow reach a real Chroma and come back', async () => {
  const collections = '/api/v2/tenants/default_tenant/databases/default_database/collections'
  const made = await retrieval.post(collections, { name: 'docs' })
  assert.equal(made.status, 200, made.text)
  const upsert = await retrieval.post(`${collections}/${made.json.id}/upsert`,
    { ids: ['a', 'b'], embeddings: [[1, 0, 0], [0, 1, 0]], documents: ['gate one', 'gate two'], metadatas: [null, null], uris: null })
  assert.equal(upsert.status, 200, upsert.text)
  const found = await retrieval.post(`${collections}/${made.json.id}/query`,
    { query_embeddings: [[0.1, 0.9, 0]], n_results: 1, include: ['documents', 'distances'] })
  assert.equal(found.status, 200, found.text)
  assert.deepEqual(found.json.documents, [['gate two']])
})

test('a request that is allowed reaches the shard once, with what was sent', async () => {
  const before = shard.requests.length
  const answer = await retrieval.post(SEARCH, QUERY)
  assert.equal(answer.status, 200, answer.text)
  assert.equal(shard.requests.length, before + 1)
  assert.equal(shard.last.line, `POST ${SEARCH} HTTP/1.1`)
  assert.deepEqual(JSON.parse(shard.last.body), QUERY)
})

test('a workload of another trust domain, its certificate made by OpenSSL, is let in by its own bundle', async () => {
  const who = partner.issue('search')
  const client = await w.workload('search', { who })
  assert.equal((await client.post(SEARCH, QUERY)).status, 200)
  refused(await nothingReaches(shard, () => client.post('/collections/other/points/search', QUERY)), { status: 403, code: 'denied' })
})

test('a token bound to the certificate works as Bearer over that certificate, and over no other', async () => {
  const token = await certificateIssuer.mint({ workload: retrieval.who.id, cnf: boundToCertificate(retrieval.who.certPem) })
  const holder = retrieval.with({ token, keys: null, scheme: 'Bearer' })
  assert.equal((await holder.post(SEARCH, QUERY)).status, 200)
  const again = w.ca.issue('retrieval', { out: 'retrieval-2' })
  const thief = holder.with({ who: again })
  refused(await nothingReaches(shard, () => thief.post(SEARCH, QUERY)), { status: 401, code: 'token_not_yours', challenge: /^DPoP .*Bearer .*error="invalid_token"/ })
  holder.close()
  thief.close()
})

// ---------------------------------------------------------------------------------------------------- gate one

test('no certificate: the handshake is refused', async () => {
  const nobody = new Client(w, undefined, {})
  assert.match(await nothingReaches(shard, () => nobody.handshake()), /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/)
})

test('a certificate of an unknown trust domain, even one that claims to be ours, is refused at the handshake', async () => {
  for (const domain of ['stranger.example', 'example.org']) {
    const who = new OpenSslAuthority(folder, domain).issue('retrieval')
    assert.match(await nothingReaches(shard, () => new Client(w, who).handshake()), ALERT, domain)
  }
})

test('a trust domain cannot vouch for the workloads of another', async () => {
  const who = Object.assign(Object.create(partner), { id: name => `spiffe://example.org/${name}` }).issue('retrieval', { out: 'impostor' })
  assert.equal(who.id, 'spiffe://example.org/retrieval')
  assert.match(await nothingReaches(shard, () => new Client(w, who).handshake()), ALERT)
})

test('an expired certificate is refused at the handshake', async () => {
  const who = partner.issue('search', { out: 'expired', not: [new Date(Date.now() - 7200000), new Date(Date.now() - 3600000)] })
  const before = w.records().length
  assert.match(await nothingReaches(shard, () => new Client(w, who).handshake()), ALERT)
  await handshakeRecord(before, 'CERT_EXPIRED')
})

test('a certificate that expires while its connection is open is refused on the next request', async () => {
  const end = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)
  const who = partner.issue('search', { out: 'short', not: [new Date(Date.now() - 60000), end] })
  const client = await w.workload('search', { who })
  assert.equal((await client.post(SEARCH, QUERY)).status, 200)
  await until('notAfter', () => Date.now() >= end.getTime() + 1000)
  const answer = await nothingReaches(shard, () => client.post(SEARCH, QUERY))
  refused(answer, { status: 403, code: 'certificate_expired' })
  assert.equal(answer.headers.connection, 'close')
})

test('a certificate revoked while its connection is open: the next request on it is refused, and so is a new handshake', async () => {
  const who = w.ca.issue('retrieval', { out: 'revoked' })
  const client = await w.workload('retrieval', { who })
  assert.equal((await client.post(SEARCH, QUERY)).status, 200)
  w.ca.revoke(who)
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  assert.ok(await w.reload())
  const answer = await nothingReaches(shard, () => client.post(SEARCH, QUERY))
  refused(answer, { status: 403, code: 'certificate_revoked' })
  assert.equal(answer.headers.connection, 'close')
  const before = w.records().length
  assert.match(await client.handshake(), ALERT)
  await handshakeRecord(before, 'CERT_REVOKED')
  assert.equal((await retrieval.post(SEARCH, QUERY)).status, 200, 'the others stay')
})

// ---------------------------------------------------------------------------------------------------- gate two

test('no token is 401 with challenges and no error code', async () => {
  const answer = await attack({ headers: { authorization: undefined, dpop: undefined } }, { status: 401, code: 'token_missing' })
  assert.doesNotMatch(answer.headers['www-authenticate'], /error=/)
})

test('a stolen token under another workload\'s certificate is refused, even with its key', async () => {
  const thief = retrieval.with({ who: w.ca.issue('thief') })
  refused(await nothingReaches(shard, () => thief.post(SEARCH, QUERY)), { status: 401, code: 'token_not_yours' })
  thief.close()
})

test('a stolen token without its key is refused', async () => {
  const keys = await newProofKey()
  await attack(withProof(await prove(keys, facts())), { status: 401, code: 'token_not_yours' })
})

test('a DPoP-bound token presented as Bearer is refused, with a proof and without one', async () => {
  const authorization = `Bearer ${retrieval.token}`
  await attack({ headers: { authorization, dpop: undefined } }, { status: 401, code: 'token_scheme' })
  await attack({ headers: { authorization } }, { status: 401, code: 'token_scheme' })
})

test('a bound token without a proof is refused', () => attack({ headers: { dpop: undefined } }, { status: 401, code: 'proof_missing' }))

test('an unbound bearer token is refused', async () => {
  const token = await w.issuer.mint({ workload: retrieval.who.id })
  await attack({ headers: { authorization: `Bearer ${token}`, dpop: undefined } }, { status: 401, code: 'token_unbound' })
  await attack({ headers: { authorization: `DPoP ${token}`, dpop: await prove(retrieval.keys, facts({ token })) } }, { status: 401, code: 'token_unbound' })
})

test('a replayed proof is refused on the same connection, and on new ones whichever loop they come to', async () => {
  const proof = await prove(retrieval.keys, facts())
  assert.equal((await retrieval.post(SEARCH, QUERY, withProof(proof))).status, 200)
  await attack(withProof(proof), { status: 401, code: 'proof_replayed', challenge: /error="invalid_dpop_proof"/ })
  for (let i = 0; i < 10; i++) await attack({ ...withProof(proof), agent: false }, { status: 401, code: 'proof_replayed' })
})

test('of one proof sent on many connections at once, one request gets through', async () => {
  const proof = await prove(retrieval.keys, facts())
  const answers = await Promise.all(Array.from({ length: 12 }, () => retrieval.post(SEARCH, QUERY, { ...withProof(proof), agent: false })))
  assert.deepEqual(answers.map(a => a.status).sort(), [200, ...Array(11).fill(401)])
})

test('a proof for another method, URI, token or time is refused', async () => {
  const cases = {
    'htm GET': [{ method: 'GET' }, 'proof_invalid'],
    'htm in lower case': [{ method: 'post' }, 'proof_invalid'],
    'htu of another collection': [{ url: `${retrieval.origin}/collections/other/points/search` }, 'proof_invalid'],
    'htu of another host': [{ url: `https://other.example${SEARCH}` }, 'proof_invalid'],
    'htu with http': [{ url: `http://localhost:${w.port}${SEARCH}` }, 'proof_invalid'],
    'ath of another token': [{ token: `${retrieval.token}x` }, 'proof_invalid'],
    'no ath': [{ token: undefined }, 'proof_invalid']
  }
  for (const [name, [change, code]] of Object.entries(cases)) {
    await test(name, async () => attack(withProof(await prove(retrieval.keys, facts(change))), { status: 401, code, challenge: /error="invalid_dpop_proof"/ }))
  }
})

test('a proof that is not as RFC 9449 says is refused', async () => {
  const now = Math.floor(Date.now() / 1000)
  const symmetric = { kty: 'oct', k: 'AAAA' }
  const cases = {
    'iat too old': [{ claims: { iat: now - 120 } }, 'proof_stale'],
    'iat ahead': [{ claims: { iat: now + 60 } }, 'proof_stale'],
    'iat as text': [{ claims: { iat: String(now) } }, 'proof_invalid'],
    'no jti': [{ claims: { jti: undefined } }, 'proof_invalid'],
    'typ JWT': [{ header: { typ: 'JWT' } }, 'proof_invalid'],
    'no key': [{ header: { jwk: undefined } }, 'proof_invalid'],
    'a symmetric key': [{ header: { jwk: symmetric } }, 'proof_invalid'],
    'a private key': [{ header: { jwk: { ...(await crypto.subtle.exportKey('jwk', retrieval.keys.privateKey)) } } }, 'proof_invalid']
  }
  for (const [name, [change, code]] of Object.entries(cases)) {
    await test(name, async () => attack(withProof(await forge(retrieval.keys, facts(change))), { status: 401, code, challenge: /error="invalid_dpop_proof"/ }))
  }
  const good = await forge(retrieval.keys, facts())
  await test('a changed signature', () => attack(withProof(good.slice(0, -6) + (good.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA')), { status: 401, code: 'proof_invalid' }))
  await test('and the forger makes good ones, too', async () => assert.equal((await retrieval.post(SEARCH, QUERY, withProof(good))).status, 200))
})

test('two Authorization fields, or two DPoP fields, are refused', async () => {
  await attack({ headers: { authorization: [`DPoP ${retrieval.token}`, `DPoP ${retrieval.token}`] } },
    { status: 400, code: 'token_ways', challenge: /error="invalid_request"/ })
  const proof = await prove(retrieval.keys, facts())
  await attack({ headers: { dpop: [proof, proof] } }, { status: 401, code: 'proof_invalid' })
})

test('a token in the query is refused', () =>
  attack({ headers: { authorization: undefined } }, { status: 400, code: 'token_ways', challenge: /invalid_request/ }, { path: `${SEARCH}?access_token=${retrieval.token}` }))

test('a token that is expired, of another audience, of an unknown issuer or signed by another key is refused', async () => {
  const cnf = await boundToKey(retrieval.keys)
  const now = Math.floor(Date.now() / 1000)
  const base = { workload: retrieval.who.id, cnf }
  const stranger = await Issuer.make(`${folder}/stranger.json`, { iss: 'https://stranger.example' })
  const other = await Issuer.make(`${folder}/other.json`)
  const cases = {
    'expired': [await w.issuer.mint({ ...base, issued: now - 600, ttl: 300 }), 'token_expired'],
    'lives too long': [await w.issuer.mint({ ...base, ttl: 86400 }), 'token_invalid'],
    'another audience': [await w.issuer.mint({ ...base, claims: {}, header: {} }).then(() => Object.assign(Object.create(w.issuer), { audience: 'other' }).mint(base)), 'token_invalid'],
    'an unknown issuer': [await stranger.mint(base), 'token_invalid'],
    'a key of nobody': [await other.mint(base), 'token_invalid'],
    'typ JWT': [await w.issuer.mint({ ...base, header: { typ: 'JWT' } }), 'token_invalid'],
    'alg none': [`${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${retrieval.token.split('.')[1]}.`, 'token_invalid'],
    'no JWT': ['opaque', 'token_invalid'],
    'cnf with something unknown': [await w.issuer.mint({ ...base, cnf: { ...cnf, other: 'x' } }), 'token_invalid']
  }
  for (const [name, [token, code]] of Object.entries(cases)) {
    await test(name, async () => attack({ headers: { authorization: `DPoP ${token}`, dpop: await prove(retrieval.keys, facts({ token })) } },
      { status: 401, code, challenge: /error="invalid_token"/ }))
  }
})

// ---------------------------------------------------------------------------------------------------- what it may do

test('a token without the scope for it is refused, though the policy permits it', async () => {
  const reader = await w.workload('retrieval', { who: retrieval.who, mint: { scope: 'vectors.read' } })
  assert.equal((await reader.post(SEARCH, QUERY)).status, 200)
  const answer = await nothingReaches(shard, () => reader.put('/collections/docs/points', { points: [] }))
  refused(answer, { status: 403, code: 'insufficient_scope', challenge: /error="insufficient_scope"/ })
  const none = await w.workload('retrieval', { who: retrieval.who, mint: { scope: 'other' } })
  refused(await nothingReaches(shard, () => none.post(SEARCH, QUERY)), { status: 403, code: 'insufficient_scope', challenge: /insufficient_scope/ })
})

test('what no policy permits is denied', async () => {
  const stranger = await w.workload('stranger')
  refused(await nothingReaches(shard, () => stranger.post(SEARCH, QUERY)), { status: 403, code: 'denied' })
  await attack({}, { status: 403, code: 'denied' }, { path: '/collections/payroll/points/search' })
  await attack({}, { status: 403, code: 'denied' }, { path: '/collections/docs', method: 'DELETE' })
})

test('a forbid wins over a permit', () => attack({}, { status: 403, code: 'denied' }, { path: '/collections/sealed-2026/points/search' }))

test('a path or method that no API table knows is denied', async () => {
  for (const [method, path] of [['GET', '/admin'], ['POST', '/collections/docs/points/explode'], ['POST', `${SEARCH}/`], ['PATCH', SEARCH],
    ['GET', '/collections/docs/points/search/matrix'], ['GET', '/api/v2/tenants/default_tenant/databases/default_database/functions']]) {
    await attack({ body: undefined }, { status: 403, code: 'api_unknown' }, { method, path })
  }
})

test('the server\'s own operations are in no scope that does not name them', () =>
  attack({}, { status: 403, code: 'insufficient_scope', challenge: /insufficient_scope/ }, { method: 'GET', path: '/telemetry' }))

test('an authority that is not ours is 421', async () => {
  for (const host of ['other.example', `127.0.0.1:${w.port}`, 'localhost']) await attack({ headers: { host } }, { status: 421, code: 'misdirected' })
})

// ---------------------------------------------------------------------------------------------------- nonces

test('with nonces required, a proof without one is told one, with one it passes, and with an invented one it does not', async () => {
  w.config.dpop.nonce = 'required'
  w.save()
  assert.ok(await w.reload())
  const first = await attack({}, { status: 401, code: 'proof_nonce', challenge: /error="use_dpop_nonce"/ })
  const nonce = first.headers['dpop-nonce']
  assert.ok(nonce?.length > 16)
  assert.equal((await retrieval.post(SEARCH, QUERY, withProof(await prove(retrieval.keys, facts({ nonce }))))).status, 200)
  await attack(withProof(await prove(retrieval.keys, facts({ nonce: 'A'.repeat(nonce.length) }))), { status: 401, code: 'proof_nonce' })
  const bare = await attack({ headers: { dpop: undefined } }, { status: 401, code: 'proof_missing' })
  assert.ok(bare.headers['dpop-nonce'], 'a client that has no proof yet learns the nonce at once')
  w.config.dpop.nonce = 'off'
  w.save()
  assert.ok(await w.reload())
  assert.equal((await retrieval.post(SEARCH, QUERY)).status, 200)
})

test('no log line holds a token or a proof', () => {
  const signature = retrieval.token.split('.')[2]
  for (const text of [w.process.log, fs.readFileSync(w.audit, 'utf8')]) {
    assert.ok(!text.includes(signature))
    assert.ok(!text.includes(retrieval.token.slice(0, 60)))
  }
})
