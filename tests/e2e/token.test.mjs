// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport token` and `sallyport verify` against another implementation: tokens we make verify with jose, tokens and proofs that jose
// makes verify with us, and OpenSSL opens our keys as we open its.
// One thread.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as jose from 'jose'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const sallyport = path.resolve(process.env.SALLYPORT_BIN ?? path.join(repository, 'build/sallyport'))
const issuer = 'https://issuer.example'
const audience = 'vectors'
const workload = 'spiffe://example.org/search'

let top // every test's files

before(() => { top = fs.mkdtempSync(path.join(os.tmpdir(), 'sallyport-token-')) })
after(() => { fs.rmSync(top, { recursive: true, force: true }) })

const at = (...names) => path.join(top, ...names)
const read = (...names) => fs.readFileSync(at(...names), 'utf8')
const put = (name, text) => { fs.writeFileSync(at(name), text, { mode: 0o600 }); return at(name) }
const now = () => Math.floor(Date.now() / 1000)
const sha256 = data => crypto.createHash('sha256').update(data).digest('base64url')

function run(program, args, options = {}) {
  const env = { ...process.env, SALLYPORT_PASSPHRASE_FILE: '' }
  const result = spawnSync(program, args, { encoding: 'utf8', cwd: top, env, ...options })
  if (result.error) throw result.error
  return { status: result.status, out: result.stdout, err: result.stderr }
}

function ok(result) {
  assert.equal(result.status, 0, `${result.out}${result.err}`)
  return result.out
}

const token = (...args) => run(sallyport, ['token', ...args])
const openssl = (...args) => ok(run('openssl', args))

function keygen(name, ...options) {
  ok(token('keygen', '--out', at(name) + '/', '--no-passphrase', ...options))
  return JSON.parse(read(name, 'jwks.json'))
}

function mint(key, ...options) {
  return ok(token('mint', '--key', at(key), '--issuer', issuer, '--audience', audience, '--subject', workload, ...options)).trim()
}

// → { status, … the JSON answer }
function verify(what, input, ...options) {
  const result = run(sallyport, ['verify', what, '-', '--json', ...options], { input })
  assert.notEqual(result.status, 2, result.err)
  return { status: result.status, ...JSON.parse(result.out) }
}

function verifyToken(text, jwks, ...options) {
  const file = put(`set-${crypto.randomUUID()}.json`, JSON.stringify(jwks))
  return verify('token', text, '--jwks', file, '--issuer', issuer, '--audience', audience, ...options)
}

function refused(answer, error, rule) {
  assert.equal(answer.status, 1)
  assert.equal(answer.valid, false)
  assert.equal(answer.error, error)
  assert.equal(answer.rule, rule)
}

// An issuer and a client whose keys jose made.
async function foreign(alg) {
  const keys = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = { ...await jose.exportJWK(keys.publicKey), kid: 'k1', alg, use: 'sig' }
  return { ...keys, alg, jwks: { keys: [jwk] }, jwk: await jose.exportJWK(keys.publicKey) }
}

async function client() {
  const keys = await foreign('ES256')
  return { ...keys, jkt: await jose.calculateJwkThumbprint(keys.jwk) }
}

function sign(from, claims = {}, header = {}) {
  return new jose.SignJWT({ sub: workload, client_id: 'app', jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: from.alg, typ: 'at+jwt', kid: 'k1', ...header })
    .setIssuer(claims.iss ?? issuer).setAudience(claims.aud ?? audience).setIssuedAt(claims.iat).setExpirationTime(claims.exp ?? now() + 300)
    .sign(from.privateKey)
}

// ---- ours, read by jose

for (const [type, alg] of [['p256', 'ES256'], ['p384', 'ES384'], ['p521', 'ES512'], ['ed25519', 'EdDSA'], ['rsa', 'RS256']]) {
  test(`a token signed with a ${type} key verifies with jose`, async () => {
    const jwks = keygen(`issuer-${type}`, '--type', type)
    const bound = keygen(`client-${type}`)
    const text = mint(`issuer-${type}/key.pem`, '--dpop-key', at(`client-${type}`, 'key.pem'), '--scope', 'a b', '--role', 'reader', '--claim', 'n={"x":[1,null]}')
    const { payload, protectedHeader } = await jose.jwtVerify(text, jose.createLocalJWKSet(jwks), { issuer, audience, typ: 'at+jwt', algorithms: [alg] })
    assert.equal(protectedHeader.kid, await jose.calculateJwkThumbprint(jwks.keys[0]))
    assert.equal(payload.sub, workload)
    assert.equal(payload.scope, 'a b')
    assert.deepEqual(payload.roles, ['reader'])
    assert.deepEqual(payload.n, { x: [1, null] })
    assert.equal(payload.exp - payload.iat, 300)
    assert.equal(payload.cnf.jkt, await jose.calculateJwkThumbprint(bound.keys[0]))
    assert.ok(Buffer.from(payload.jti, 'base64url').length >= 16)
  })
}

test('a token bound to a certificate of OpenSSL carries the hash of its DER', () => {
  keygen('issuer-x5t')
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('c.key'), '-out', at('c.pem'), '-subj', '/CN=c', '-days', '1')
  const { cnf } = jose.decodeJwt(mint('issuer-x5t/key.pem', '--cert', at('c.pem')))
  assert.deepEqual(cnf, { 'x5t#S256': sha256(new crypto.X509Certificate(read('c.pem')).raw) })
})

test('two tokens have two jti', () => {
  keygen('issuer-jti')
  const jti = () => jose.decodeJwt(mint('issuer-jti/key.pem', '--unbound')).jti
  assert.notEqual(jti(), jti())
})

test('an unbound token is refused with exit status 2, and made when asked for', () => {
  keygen('issuer-unbound')
  const args = ['mint', '--key', at('issuer-unbound', 'key.pem'), '--issuer', issuer, '--audience', audience, '--subject', 's']
  const result = token(...args)
  assert.equal(result.status, 2)
  assert.equal(result.out, '')
  ok(token(...args, '--unbound'))
})

// ---- keys, with OpenSSL

test('OpenSSL opens our encrypted key with the passphrase and not without', () => {
  put('pass', 'correct horse\n')
  put('wrong', 'wrong horse\n')
  ok(token('keygen', '--out', at('sealed.pem'), '--passphrase-file', at('pass')))
  assert.equal(fs.statSync(at('sealed.pem')).mode & 0o777, 0o600)
  assert.match(read('sealed.pem'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
  const jwk = JSON.parse(read('sealed.jwks.json')).keys[0]
  const spki = openssl('pkey', '-in', at('sealed.pem'), '-passin', `file:${at('pass')}`, '-pubout')
  assert.equal(crypto.createPublicKey(spki).export({ format: 'jwk' }).x, jwk.x)
  assert.notEqual(run('openssl', ['pkey', '-in', at('sealed.pem'), '-passin', `file:${at('wrong')}`, '-noout']).status, 0)
})

for (const [name, args] of [
  ['P-256 in PKCS#8', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['P-256 in SEC1', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout']],
  ['Ed25519', ['genpkey', '-algorithm', 'ED25519']],
  ['RSA', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
]) {
  test(`a key of OpenSSL, ${name}, signs what jose verifies and binds what it proves`, async () => {
    const file = `openssl-${name.replaceAll(/\W/g, '')}.pem`
    openssl(...args, '-out', at(file))
    fs.chmodSync(at(file), 0o600)
    const key = crypto.createPublicKey(read(file))
    put('any.pem', openssl('pkey', '-in', at(file), '-pubout'))
    await jose.jwtVerify(mint(file, '--unbound'), key, { issuer, audience })
    const { cnf } = jose.decodeJwt((keygen(`for-${file}`), mint(`for-${file}/key.pem`, '--dpop-key', at('any.pem'))))
    assert.equal(cnf.jkt, await jose.calculateJwkThumbprint(key.export({ format: 'jwk' })))
  })
}

// ---- jose's, read by us

for (const alg of ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']) {
  test(`a token that jose signed with ${alg} verifies`, async () => {
    const from = await foreign(alg), to = await client()
    const text = await sign(from, { cnf: { jkt: to.jkt }, scope: 'a' })
    const answer = verifyToken(text, from.jwks, '--scheme', 'dpop', '--workload', workload, '--algorithms', alg)
    assert.equal(answer.status, 0, JSON.stringify(answer))
    assert.equal(answer.valid, true)
    assert.equal(answer.facts.subject, workload)
    assert.equal(answer.facts.jkt, to.jkt)
    assert.ok(answer.rules.every(rule => rule.ok !== false))
    assert.ok(!JSON.stringify(answer).includes(text.split('.')[2]))
  })
}

test('rule 21: alg none and HMAC with the public key are refused', async () => {
  const from = await foreign('ES256')
  const claims = { sub: workload, client_id: 'c', jti: 'j', iss: issuer, aud: audience, iat: now(), exp: now() + 60 }
  const segment = value => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsigned = `${segment({ alg: 'none', typ: 'at+jwt' })}.${segment(claims)}.`
  refused(verifyToken(unsigned, from.jwks, '--binding', 'none'), 'TOKEN_MALFORMED', '26')
  refused(verifyToken(`${unsigned}AAAA`, from.jwks, '--binding', 'none'), 'TOKEN_ALG', '21')
  const secret = crypto.createPublicKey({ key: from.jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  const hmac = await new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' }).sign(Buffer.from(secret))
  refused(verifyToken(hmac, from.jwks, '--binding', 'none'), 'TOKEN_ALG', '21')
})

test('rules 22 to 25: what jose signs wrongly is refused by the right rule', async () => {
  const from = await foreign('ES256'), other = await foreign('ES256'), { jkt } = await client()
  const cnf = { jkt }
  refused(verifyToken(await sign(other, { cnf }), from.jwks), 'TOKEN_SIGNATURE', '22')
  refused(verifyToken(await sign(from, { cnf }, { kid: 'k2' }), from.jwks), 'TOKEN_KEY', '21')
  refused(verifyToken(await sign(from, { cnf }, { jwk: other.jwk }), from.jwks), 'TOKEN_HEADER_KEY', '23')
  refused(verifyToken(await sign(from, { cnf }, { typ: 'JWT' }), from.jwks), 'TOKEN_TYP', '24')
  refused(verifyToken(await sign(from, { cnf, iss: `${issuer}/` }), from.jwks), 'TOKEN_ISSUER', '25')
  refused(verifyToken(await sign(from, { cnf, aud: 'other' }), from.jwks), 'TOKEN_AUDIENCE', '25')
  refused(verifyToken(await sign(from, { cnf, iat: now() - 600, exp: now() - 300 }), from.jwks), 'TOKEN_EXPIRED', '25')
  refused(verifyToken(await sign(from, { cnf, exp: now() + 7200 }), from.jwks), 'TOKEN_LIFETIME', '25')
  refused(verifyToken(await sign(from), from.jwks), 'TOKEN_UNBOUND', '18')
  const changed = (await sign(from, { cnf })).replace(/\.([^.]+)\./, (_, claims) =>
    `.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, 'base64url')), sub: 'spiffe://example.org/admin' })).toString('base64url')}.`)
  refused(verifyToken(changed, from.jwks), 'TOKEN_SIGNATURE', '22')
})

test('an encrypted token is refused', async () => {
  const from = await foreign('ES256')
  const text = await new jose.EncryptJWT({}).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(crypto.randomBytes(32))
  refused(verifyToken(text, from.jwks), 'TOKEN_ENCRYPTED', '26')
  assert.equal(token('inspect', text).status, 2)
})

test('a set of jose with a private key in it is unreadable input', async () => {
  const from = await foreign('ES256')
  const file = put('private-set.json', JSON.stringify({ keys: [await jose.exportJWK(from.privateKey)] }))
  const result = run(sallyport, ['verify', 'token', '-', '--jwks', file, '--issuer', issuer, '--audience', audience], { input: await sign(from) })
  assert.equal(result.status, 2)
  assert.ok(!result.err.includes((await jose.exportJWK(from.privateKey)).d))
})

// ---- proofs

const url = 'https://gateway.example/collections/docs/points/search'

function prove(from, claims = {}, header = {}) {
  return new jose.SignJWT({ jti: crypto.randomUUID(), htm: 'POST', htu: url, ...claims })
    .setProtectedHeader({ alg: from.alg, typ: 'dpop+jwt', jwk: from.jwk, ...header }).setIssuedAt(claims.iat).sign(from.privateKey)
}

test('a proof of jose verifies with the token it was made for, and with no other', async () => {
  const to = await client(), thief = await client()
  keygen('issuer-proof')
  const jwk = put('client.jwk', JSON.stringify(to.jwk))
  const text = mint('issuer-proof/key.pem', '--dpop-key', jwk), second = mint('issuer-proof/key.pem', '--dpop-key', jwk)
  put('token', text)
  put('second', second)
  const request = ['--method', 'POST', '--url', `${url}?wait=true`, '--token', `@${at('token')}`]
  const proof = await prove(to, { ath: sha256(text) })
  const answer = verify('proof', proof, ...request)
  assert.equal(answer.status, 0, JSON.stringify(answer))
  assert.equal(answer.facts.key, to.jkt)
  refused(verify('proof', proof, '--method', 'POST', '--url', url, '--token', `@${at('second')}`), 'PROOF_ATH', '12')
  refused(verify('proof', await prove(thief, { ath: sha256(text) }), ...request), 'PROOF_JKT', '12')
  refused(verify('proof', proof, '--method', 'GET', '--url', url), 'PROOF_HTM', '8')
  refused(verify('proof', proof, '--method', 'POST', '--url', `${url}x`), 'PROOF_HTU', '9')
  refused(verify('proof', await prove(to, { ath: sha256(text), iat: now() - 120 }), ...request), 'PROOF_IAT', '11')
  refused(verify('proof', await prove(to, {}, { typ: 'JWT' }), ...request), 'PROOF_TYP', '4')
  refused(verify('proof', await prove(to, {}, { jwk: await jose.exportJWK(to.privateKey) }), ...request), 'PROOF_PRIVATE', '7')
  refused(verify('proof', await prove(to, {}, { jwk: thief.jwk }), '--method', 'POST', '--url', url), 'PROOF_SIGNATURE', '6')
})

for (const alg of ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256']) {
  test(`a proof that jose signed with ${alg} verifies`, async () => {
    const from = await foreign(alg)
    const answer = verify('proof', await prove(from, { nonce: 'n1' }), '--method', 'POST', '--url', url, '--nonce', 'n1')
    assert.equal(answer.status, 0, JSON.stringify(answer))
    assert.equal(answer.facts.algorithm, alg)
  })
}

// ---- inspect

test('inspect decodes what jose made and says that nothing was verified', async () => {
  const from = await foreign('EdDSA')
  const text = await sign(from, { exp: now() + 3600 })
  const out = ok(token('inspect', text))
  assert.match(out, /^not verified/)
  assert.match(out, /expires in (59 minutes|1 hour)/)
  const answer = JSON.parse(ok(run(sallyport, ['token', 'inspect', '-', '--json'], { input: text })))
  assert.equal(answer.verified, false)
  assert.deepEqual(answer.claims, jose.decodeJwt(text))
  assert.deepEqual(answer.header, jose.decodeProtectedHeader(text))
})
