// SPDX-License-Identifier: GPL-3.0-or-later
// Every JWS algorithm, made by npm's jose: tokens of issuers with public keys and of issuers with a secret at the running gateway, proofs, and
// `sallyport verify jws`. And what must not pass: an algorithm of another issuer, a public key as a secret, an encrypted token.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import * as jose from 'jose'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, sallyport, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { boundToKey, forge, Issuer, newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const PUBLIC = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const SECRET = { HS256: 32, HS384: 48, HS512: 64 }
const PROOFS = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256']
const PATH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
const challenge = new RegExp(`^DPoP algs="${PROOFS.join(' ')}"`)
let w, shard, who, keys
const issuers = {}

// Signs as `Issuer` does, with a secret.
const mintWith = (secret, alg, { iss, header = {}, claims = {} }) => {
  const issued = Math.floor(Date.now() / 1000)
  return new jose.SignJWT({ client_id: 'test', jti: crypto.randomUUID(), scope: 'vectors.rw', cnf: who.cnf, ...claims })
    .setProtectedHeader({ alg, typ: 'at+jwt', ...header }).setIssuer(iss).setAudience('sallyport').setSubject(who.id)
    .setIssuedAt(issued).setExpirationTime(issued + 300).sign(secret)
}

before(async () => {
  shard = await Upstream.start()
  w = await World.make('algorithms', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
  const common = { audiences: ['sallyport'], binding: 'dpop', scopes: SCOPES, asserts: { trust_domains: ['example.org'] } }
  w.config.issuers = []
  for (const alg of PUBLIC) {
    issuers[alg] = await Issuer.make(w.at(`${alg}.json`), { iss: `https://${alg}.example`, alg })
    w.config.issuers.push({ name: alg.toLowerCase(), issuer: issuers[alg].iss, jwks: issuers[alg].jwks, algorithms: [alg], ...common })
  }
  for (const [alg, octets] of Object.entries(SECRET)) {
    // One as text, the others as JWKs.
    const secret = alg === 'HS256' ? Buffer.from(crypto.randomBytes(octets / 2).toString('hex')) : crypto.randomBytes(octets)
    const file = w.at(`${alg}.key`)
    fs.writeFileSync(file, alg === 'HS256' ? `${secret}\n` : JSON.stringify({ kty: 'oct', k: secret.toString('base64url'), alg }), { mode: 0o600 })
    issuers[alg] = { secret, file, iss: `https://${alg}.example` }
    w.config.issuers.push({ name: alg.toLowerCase(), issuer: issuers[alg].iss, symmetric_key_file: file, algorithms: [alg], ...common })
  }
  w.config.dpop.algorithms = PROOFS
  w.save()
  await w.start()
  keys = await newProofKey()
  who = w.ca.issue('retrieval')
  who.cnf = await boundToKey(keys)
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const mint = alg => SECRET[alg] ? mintWith(issuers[alg].secret, alg, { iss: issuers[alg].iss }) : issuers[alg].mint({ workload: who.id, cnf: who.cnf })
const ask = async token => (await w.workload('retrieval', { who, keys, token })).request('POST', PATH, { body: QUERY })
const refuses = async (token, code = 'token_invalid') => refused(await nothingReaches(shard, () => ask(token)), { status: 401, code, challenge })

for (const alg of [...PUBLIC, ...Object.keys(SECRET)]) {
  test(`a token that jose signed with ${alg} passes, and changed it does not`, async () => {
    const token = await mint(alg)
    const answer = await ask(token)
    assert.equal(answer.status, 200, answer.text)
    const [header, payload, signature] = token.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    bytes[0] ^= 1
    await refuses(`${header}.${payload}.${bytes.toString('base64url')}`)
    if (SECRET[alg]) await refuses(`${header}.${payload}.${bytes.subarray(0, bytes.length / 2).toString('base64url')}`)
  })
}

test('rule 21: a secret is good for its own issuer and algorithm only', async () => {
  const { secret, iss } = issuers.HS512
  assert.equal((await ask(await mintWith(secret, 'HS512', { iss }))).status, 200)
  await refuses(await mintWith(secret, 'HS256', { iss }))
  await refuses(await mintWith(secret, 'HS384', { iss }))
  await refuses(await mintWith(secret, 'HS512', { iss: issuers.ES256.iss }))
  await refuses(await mintWith(secret, 'HS512', { iss: issuers.HS256.iss }))
  // And an issuer with a secret has no public key, not even that of a neighbour.
  const { privateKey, jwk } = issuers.ES256.keys[0]
  await refuses(await mintWith(privateKey, 'ES256', { iss, header: { kid: jwk.kid } }))
})

test('rule 21: a public key is no secret, though other issuers have one', async () => {
  const { jwk } = issuers.RS256.keys[0]
  const key = crypto.createPublicKey({ key: jwk, format: 'jwk' })
  for (const secret of [key.export({ type: 'spki', format: 'pem' }), key.export({ type: 'spki', format: 'der' }), JSON.stringify(jwk), jwk.n])
    for (const iss of [issuers.RS256.iss, issuers.HS256.iss])
      await refuses(await mintWith(Buffer.from(secret), 'HS256', { iss, header: { kid: jwk.kid } }))
})

test('an encrypted token is refused, and the record says why', async () => {
  const token = await new jose.EncryptJWT({ iss: issuers.ES256.iss, sub: who.id }).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(crypto.randomBytes(32))
  const answer = await nothingReaches(shard, () => ask(token))
  refused(answer, { status: 401, code: 'token_invalid', challenge })
  const record = await w.record(answer.json.request_id)
  assert.equal(record.error, 'TOKEN_ENCRYPTED')
})

for (const alg of PROOFS) {
  test(`a proof that jose signed with ${alg} passes`, async () => {
    const pair = await jose.generateKeyPair(alg, { extractable: true })
    const jkt = await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey))
    const token = await issuers.ES256.mint({ workload: who.id, cnf: { jkt } })
    const client = await w.workload('retrieval', { who, keys, token })
    const dpop = () => forge(pair, { url: client.origin + PATH, method: 'POST', token, header: { alg } })
    const answer = await client.request('POST', PATH, { body: QUERY, headers: { dpop: await dpop() } })
    assert.equal(answer.status, 200, answer.text)
    const [header, payload, signature] = (await dpop()).split('.')
    const bytes = Buffer.from(signature, 'base64url')
    bytes[bytes.length - 1] ^= 1
    refused(await nothingReaches(shard, () => client.request('POST', PATH, { body: QUERY, headers: { dpop: `${header}.${payload}.${bytes.toString('base64url')}` } })),
      { status: 401, code: 'proof_invalid', challenge })
  })
}

test('a secret that is replaced in its file is refused at once, also for tokens that were seen', async () => {
  const { secret, file, iss } = issuers.HS256
  const token = await mintWith(secret, 'HS256', { iss })
  assert.equal((await ask(token)).status, 200)
  const fresh = Buffer.from(crypto.randomBytes(20).toString('hex'))
  replace(file, `${fresh}\n`)
  assert.equal(await w.reload(), true)
  await until('the refusal', async () => (await ask(token)).status === 401)
  await refuses(token)
  assert.equal((await ask(await mintWith(fresh, 'HS256', { iss }))).status, 200)
  // Nor does a secret stay in force because what replaced it cannot be used.
  replace(file, 'too short\n')
  assert.equal(await w.reload(), false)
  await refuses(await mintWith(fresh, 'HS256', { iss }), 'token_revoked')
  assert.ok(!w.process.log.includes(secret.toString()) && !w.process.log.includes(fresh.toString()) && !w.process.log.includes('too short\n'))
  replace(file, `${fresh}\n`)
  assert.equal(await w.reload(), true)
  assert.equal((await ask(await mintWith(fresh, 'HS256', { iss }))).status, 200)
})

// ---- sallyport verify jws

function verifyJws(text, jwk, ...options) {
  const file = w.at(`${crypto.randomUUID()}.jwk`)
  fs.writeFileSync(file, JSON.stringify(jwk), { mode: 0o600 })
  const result = run(sallyport, ['verify', 'jws', '--jwk', file, '--json', ...options], { input: text })
  assert.notEqual(result.status, 2, result.err)
  return { status: result.status, ...JSON.parse(result.out) }
}

for (const alg of [...PUBLIC, ...Object.keys(SECRET)]) {
  test(`verify jws agrees with jose about ${alg}`, async () => {
    const key = SECRET[alg] ? crypto.randomBytes(SECRET[alg]) : (await jose.generateKeyPair(alg, { extractable: true }))
    const jwk = await jose.exportJWK(key.publicKey ?? key), other = await jose.generateKeyPair('ES256', { extractable: true })
    const text = await new jose.CompactSign(crypto.randomBytes(100)).setProtectedHeader({ alg, kid: 'k' }).sign(key.privateKey ?? key)
    const answer = verifyJws(text, jwk, '--alg', alg)
    assert.equal(answer.status, 0, JSON.stringify(answer))
    assert.deepEqual([answer.valid, answer.facts.algorithm, answer.facts.payload], [true, alg, '100 bytes'])
    assert.equal(verifyJws(text, { keys: [await jose.exportJWK(other.publicKey), { ...jwk, kid: 'k', alg, use: 'sig' }] }).status, 0)
    const [header, , signature] = text.split('.')
    const changed = verifyJws(`${header}.${Buffer.from('other').toString('base64url')}.${signature}`, jwk)
    assert.deepEqual([changed.status, changed.error, changed.rule], [1, 'TOKEN_SIGNATURE', '22'])
    await assert.rejects(jose.compactVerify(`${header}.${Buffer.from('other').toString('base64url')}.${signature}`, key.publicKey ?? key))
    const wrong = verifyJws(text, jwk, '--alg', alg === 'ES256' ? 'ES384' : 'ES256')
    assert.deepEqual([wrong.status, wrong.error, wrong.rule], [1, 'TOKEN_ALG', '21'])
  })
}
