// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a token or a proof can be wrong in, one row each: the rule (docs/conformance.md), the name, what is changed in a request that is otherwise
// allowed, and the answer. The running gateway has two loops and real mutual TLS; a recording shard proves that nothing came through. Around each
// group, and for each kind of issuer, the unchanged request is let in, so that no row can pass for another reason than its own.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { b64, crooked, jwkOf, jws, N, newKey, now, rs, segment, sha256, signature, stray, strayBits, text, thumbprint, unsigned } from './lib/crooked.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { sleep, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { boundToCertificate } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const OTHER = '/collections/other/points/search'
const QUERY = '{"vector":[0.1,0.2],"limit":3}'

// Status, the problem's code, the error of the challenge ('' where there is a challenge without one, undefined where there is none).
const PROOF = [401, 'proof_invalid', 'invalid_dpop_proof']
const NO_PROOF = [401, 'proof_missing', 'invalid_dpop_proof']
const STALE = [401, 'proof_stale', 'invalid_dpop_proof']
const REPLAYED = [401, 'proof_replayed', 'invalid_dpop_proof']
const NONCE = [401, 'proof_nonce', 'use_dpop_nonce']
const TOKEN = [401, 'token_invalid', 'invalid_token']
const EXPIRED = [401, 'token_expired', 'invalid_token']
const OTHERS = [401, 'token_not_yours', 'invalid_token']
const UNBOUND = [401, 'token_unbound', 'invalid_token']
const BEARER = [401, 'token_scheme', 'invalid_token']
const NO_TOKEN = [401, 'token_missing', '']
const WAYS = [400, 'token_ways', 'invalid_request']
const SCOPE = [403, 'insufficient_scope', 'insufficient_scope']
const TOO_LARGE = [431, 'headers_too_large', undefined]
const PASSES = [200]

// What the audit record names as the reason, by rule. Where a part is not even of its type, the whole is malformed.
const REASONS = {
  1: ['PROOF_MISSING', 'PROOF_REPEATED', 'PROOF_MALFORMED', 'HTTP_HEADER_SIZE'],
  2: ['PROOF_MALFORMED', 'PROOF_CRIT'],
  3: ['PROOF_CLAIM', 'PROOF_MALFORMED'],
  4: ['PROOF_TYP', 'PROOF_MALFORMED'],
  5: ['PROOF_ALG', 'PROOF_MALFORMED'],
  6: ['PROOF_SIGNATURE', 'PROOF_MALFORMED'],
  7: ['PROOF_PRIVATE'],
  8: ['PROOF_HTM'],
  9: ['PROOF_HTU'],
  10: ['PROOF_NONCE', 'PROOF_NONCE_INVENTED'],
  11: ['PROOF_IAT'],
  12: ['PROOF_ATH', 'PROOF_JKT', 'TOKEN_UNBOUND'],
  14: ['BOUND_AS_BEARER'],
  16: ['PROOF_REPLAYED'],
  18: ['CNF_CERTIFICATE', 'CNF_UNKNOWN', 'TOKEN_UNBOUND', 'TOKEN_CLAIM', 'TOKEN_MALFORMED'],
  21: ['TOKEN_ALG', 'TOKEN_MALFORMED'],
  22: ['PROOF_KEY', 'TOKEN_SIGNATURE', 'TOKEN_KEY'],
  23: ['TOKEN_HEADER_KEY', 'TOKEN_CRIT', 'TOKEN_KEY', 'TOKEN_MALFORMED'],
  24: ['TOKEN_TYP', 'TOKEN_MALFORMED'],
  25: ['TOKEN_ISSUER', 'TOKEN_AUDIENCE', 'TOKEN_CLAIM', 'TOKEN_EXPIRED', 'TOKEN_NOT_YET', 'TOKEN_LIFETIME', 'TOKEN_MALFORMED'],
  26: ['TOKEN_MISSING', 'TOKEN_SCHEME', 'TOKEN_WAYS', 'TOKEN_MALFORMED', 'TOKEN_ENCRYPTED', 'HTTP_HEADER_SIZE'],
  '26a': ['SCOPE', 'TOKEN_CLAIM'],
  '26b': ['TOKEN_ASSERTS', 'TOKEN_CLAIM'],
  '26c': ['TOKEN_WORKLOAD', 'TOKEN_ASSERTS', 'TOKEN_CLAIM', 'TOKEN_MALFORMED']
}

// ---------------------------------------------------------------------------------------------------- material

let w, shard, on, client, team, certificates, both, prefix
const issuer = {} // test, other (another issuer), certs (binding: certificate), both (binding: both), prefix (workload_match: prefix)
const keys = newKey()
const stranger = newKey()
const ed = crypto.generateKeyPairSync('ed25519')
const p384 = crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' })
const weak = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 })
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
const exponent3 = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
const jwk = jwkOf(keys)
const privateJwk = keys.privateKey.export({ format: 'jwk' })
const odd = bytes => { const b = crypto.randomBytes(bytes); b[0] |= 0x80; b[b.length - 1] |= 1; return b.toString('base64url') }

before(async () => {
  shard = await Upstream.start()
  w = await World.make('negative', {
    shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }],
    change: { dpop: { algorithms: ['ES256', 'EdDSA', 'RS256'], nonce_lifetime: '2s' } }
  })
  w.config.issuers = []
  for (const [name, more] of Object.entries({ test: {}, other: {}, certs: { binding: 'certificate' }, both: { binding: 'both' }, prefix: { workload_match: 'prefix' } })) {
    const pair = newKey()
    const published = { ...jwkOf(pair), kid: `${name}-1`, alg: 'ES256', use: 'sig' }
    issuer[name] = { iss: `https://${name}.example`, kid: published.kid, key: pair.privateKey, publicKey: pair.publicKey, jwk: published }
    fs.writeFileSync(w.at(`${name}.json`), JSON.stringify({ keys: [published] }))
    w.config.issuers.push({ name, issuer: issuer[name].iss, jwks: w.at(`${name}.json`), audiences: ['sallyport', 'vectors'], binding: 'dpop', scopes: SCOPES,
      asserts: { trust_domains: ['example.org'], roles: ['reader'], groups: ['staff'], tenants: ['acme'] }, ...more })
  }
  w.save()
  await w.start()
  client = await w.workload('negative', { token: 'none' })
  team = await w.workload('team/one', { token: 'none' })
  on = { issuer: issuer.test, workload: client.who.id, cnf: { jkt: thumbprint(jwk) }, keys, origin: client.origin, method: 'POST', path: SEARCH, client }
  const x5t = boundToCertificate(client.who.certPem)
  certificates = { ...on, issuer: issuer.certs, cnf: x5t, scheme: 'Bearer', noProof: true }
  both = { ...on, issuer: issuer.both, cnf: { ...on.cnf, ...x5t } }
  prefix = { ...on, issuer: issuer.prefix, workload: 'spiffe://example.org/team', client: team }
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// ---------------------------------------------------------------------------------------------------- how a row runs

const send = (base, row, more = {}) => {
  const { fields, path = row.path ?? base.path } = more
  const headers = { 'content-type': 'application/json', ...(fields ?? crooked(base, row)), ...row.headers }
  return base.client.request(row.method ?? base.method, path, { body: row.body ?? QUERY, headers })
}

function judge(answer, [status, code, error]) {
  if (status === 200) assert.equal(answer.status, 200, answer.text)
  else refused(answer, { status, code, challenge: error === undefined ? undefined : error === '' ? /^DPoP (?!.*error=)/ : new RegExp(`error="${error}"`) })
}

const refusals = [] // [request id, rule, name]

async function run(base, [rule, name, change, expected]) {
  const row = typeof change === 'function' ? change() : change
  if (row.first) judge(await send(base, row, { fields: row.first = crooked(base, {}), path: base.path }), PASSES)
  const act = async () => row.raw ? row.raw(base) : send(base, row, row.first && { fields: { ...row.first, ...row.again?.(row.first) } })
  const before = shard.requests.length
  const answer = expected === PASSES ? await act() : await nothingReaches(shard, act)
  judge(answer, expected)
  if (answer.status !== 200) refusals.push([answer.headers['x-request-id'], rule, name])
  assert.equal(shard.requests.length, before + (expected === PASSES ? 1 : 0))
}

// `base` is a function: what it gives is made before the first test.
function group(name, base, rows) {
  describe(name, () => {
    const control = when => test(`the unchanged request is let in, ${when}`, () => run(base(), [, , {}, PASSES]))
    control('before')
    for (const row of rows) test(`${row[0]}: ${row[1]}`, () => run(base(), row))
    control('after')
  })
}

// ---------------------------------------------------------------------------------------------------- words of the tables

const header = h => ({ proofHeader: h })
const key = (k, more = {}) => ({ proofHeader: { jwk: k }, ...more })
const claims = c => ({ proofClaims: c })
const proof = change => ({ proof: change })
const htu = (change, more = {}) => () => ({ proofClaims: { htu: typeof change === 'function' ? change(on.origin) : change }, ...more })
const tHeader = h => ({ tokenHeader: h })
const tClaims = c => ({ tokenClaims: c })
const cnf = c => () => ({ tokenClaims: { cnf: typeof c === 'function' ? c(on.cnf) : c } })
const token = change => ({ token: change })
const fields = change => ({ fields: change })
const authorization = change => fields(f => ({ authorization: change(f.authorization) }))
// A member twice: in front of the right text.
const twice = member => right => `{${member},${text(right).slice(1)}`
const secondTime = again => () => ({ first: true, again })
const without = alg => compact => `${b64(text({ ...JSON.parse(Buffer.from(compact.split('.')[0], 'base64url')), alg }))}.${compact.split('.')[1]}.`
const deep = n => '['.repeat(n) + ']'.repeat(n)

// ---------------------------------------------------------------------------------------------------- proofs

const PROOF_HEADERS = [
  ['4', 'typ JWT', header({ typ: 'JWT' }), PROOF],
  ['4', 'typ of a token', header({ typ: 'at+jwt' }), PROOF],
  ['4', 'typ missing', header({ typ: undefined }), PROOF],
  ['4', 'typ empty', header({ typ: '' }), PROOF],
  ['4', 'typ a number', header({ typ: 7 }), PROOF],
  ['4', 'typ with a space behind it', header({ typ: 'dpop+jwt ' }), PROOF],
  ['4', 'typ of another media type tree', header({ typ: 'text/dpop+jwt' }), PROOF],
  ['4', 'typ in capitals is the same media type', header({ typ: 'DPoP+JWT' }), PASSES],
  ['4', 'typ with application/ is the same media type', header({ typ: 'application/dpop+jwt' }), PASSES],
  ['5', 'alg none, no signature', proof(without('none')), PROOF],
  ['5', 'alg None, no signature', proof(without('None')), PROOF],
  ['5', 'alg nOnE, no signature', proof(without('nOnE')), PROOF],
  ['5', 'alg none, signed', header({ alg: 'none' }), PROOF],
  ['5', 'alg missing', header({ alg: undefined }), PROOF],
  ['5', 'alg a number', header({ alg: 256 }), PROOF],
  ['5', 'alg null', header({ alg: null }), PROOF],
  ['5', 'alg unknown', header({ alg: 'XS256' }), PROOF],
  ['5', 'alg in lower case', header({ alg: 'es256' }), PROOF],
  ['5', 'alg with a NUL behind it', header({ alg: 'ES256\u0000' }), PROOF],
  ['5', 'alg not on the list', { ...header({ alg: 'ES384', jwk: jwkOf(p384) }), proofKey: p384.privateKey, proofAlg: 'ES384' }, PROOF],
  ['5', 'alg PS256 not on the list', header({ alg: 'PS256' }), PROOF],
  ['5', 'HS256 with the public key as secret', { ...header({ alg: 'HS256' }), proofKey: JSON.stringify(jwk), proofAlg: 'HS256' }, PROOF],
  ['5', 'HS256 with a secret that it brings', { ...header({ alg: 'HS256', jwk: { kty: 'oct', k: b64('secret') } }), proofKey: 'secret', proofAlg: 'HS256' }, PROOF],
  ['5', 'EdDSA with a P-256 key', header({ alg: 'EdDSA' }), PROOF],
  ['5', 'RS256 with a P-256 key', header({ alg: 'RS256' }), PROOF],
  ['5', 'ES256 with an Ed25519 key', key(jwkOf(ed), { proofKey: ed.privateKey, proofAlg: 'EdDSA' }), PROOF],
  ['7', 'the private key', key(privateJwk), PROOF],
  ['7', 'an empty d', key({ ...jwk, d: '' }), PROOF],
  ['7', 'a d that is null', key({ ...jwk, d: null }), PROOF],
  ['7', 'a symmetric member beside the public key', key({ ...jwk, k: b64('secret') }), PROOF],
  ['7', 'a symmetric key', key({ kty: 'oct', k: b64('0123456789abcdef0123456789abcdef') }), PROOF],
  ['22', 'no key', key(undefined), PROOF],
  ['22', 'a key that is null', key(null), PROOF],
  ['22', 'a key that is text', key(JSON.stringify(jwk)), PROOF],
  ['22', 'a key in a list', key([jwk]), PROOF],
  ['22', 'an empty key', key({}), PROOF],
  ['22', 'a kid instead of a key', header({ jwk: undefined, kid: 'test-1' }), PROOF],
  ['22', 'a jku instead of a key', header({ jwk: undefined, jku: 'https://test.example/jwks' }), PROOF],
  ['22', 'an x5c instead of a key', header({ jwk: undefined, x5c: ['AAAA'] }), PROOF],
  ['22', 'no kty', key({ ...jwk, kty: undefined }), PROOF],
  ['22', 'kty in lower case', key({ ...jwk, kty: 'ec' }), PROOF],
  ['22', 'kty of another kind', key({ ...jwk, kty: 'OKP' }), PROOF],
  ['22', 'no crv', key({ ...jwk, crv: undefined }), PROOF],
  ['22', 'crv of another curve', key({ ...jwk, crv: 'P-384' }), PROOF],
  ['22', 'crv secp256k1', key({ ...jwk, crv: 'secp256k1' }), PROOF],
  ['22', 'a point that is not on the curve', key({ ...jwk, y: odd(32) }), PROOF],
  ['22', 'the point (0, 0)', key({ ...jwk, x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) }), PROOF],
  ['22', 'a coordinate above the prime', key({ ...jwk, x: b64(Buffer.alloc(32, 255)) }), PROOF],
  ['22', 'a coordinate of 31 octets', key({ ...jwk, x: odd(31) }), PROOF],
  ['22', 'a coordinate with a zero in front', key({ ...jwk, x: b64(Buffer.concat([Buffer.alloc(1), Buffer.from(jwk.x, 'base64url')])) }), PROOF],
  ['22', 'a padded coordinate', key({ ...jwk, x: `${jwk.x}=` }), PROOF],
  ['22', 'a coordinate that is a number', key({ ...jwk, x: 1 }), PROOF],
  ['22', 'no y', key({ ...jwk, y: undefined }), PROOF],
  ['22', 'an Ed25519 point of small order', { ...header({ alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x: b64(Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])) } }), proofKey: ed.privateKey, proofAlg: 'EdDSA' }, PROOF],
  ['22', 'an X25519 key', { ...header({ alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'X25519', x: odd(32) } }), proofKey: ed.privateKey, proofAlg: 'EdDSA' }, PROOF],
  ['22', 'RSA of 1,024 bits', { ...header({ alg: 'RS256', jwk: jwkOf(weak) }), proofKey: weak.privateKey, proofAlg: 'RS256' }, PROOF],
  ['22', 'RSA with the exponent 3', { ...header({ alg: 'RS256', jwk: jwkOf(exponent3) }), proofKey: exponent3.privateKey, proofAlg: 'RS256' }, PROOF],
  ['22', 'RSA with the exponent 1', { ...header({ alg: 'RS256', jwk: { ...jwkOf(rsa), e: 'AQ' } }), proofKey: rsa.privateKey, proofAlg: 'RS256' }, PROOF],
  ['22', 'RSA with an even exponent', { ...header({ alg: 'RS256', jwk: { ...jwkOf(rsa), e: 'AQAC' } }), proofKey: rsa.privateKey, proofAlg: 'RS256' }, PROOF],
  ['22', 'RSA of 16,384 bits', { ...header({ alg: 'RS256', jwk: { ...jwkOf(rsa), n: odd(2048) } }), proofKey: rsa.privateKey, proofAlg: 'RS256' }, PROOF],
  ['22', 'RSA with a zero in front of the modulus', { ...header({ alg: 'RS256', jwk: { ...jwkOf(rsa), n: `AA${jwkOf(rsa).n}` } }), proofKey: rsa.privateKey, proofAlg: 'RS256' }, PROOF],
  ['2', 'crit with something unknown', header({ crit: ['x'], x: 1 }), PROOF],
  ['2', 'crit with something known', header({ crit: ['typ'] }), PROOF],
  ['2', 'an empty crit', header({ crit: [] }), PROOF],
  ['2', 'a crit that is null', header({ crit: null }), PROOF],
  ['2', 'b64 false without crit', header({ b64: false }), PROOF],
  ['2', 'typ twice', header(twice('"typ":"JWT"')), PROOF],
  ['2', 'alg twice', header(twice('"alg":"none"')), PROOF],
  ['2', 'jwk twice', header(twice(`"jwk":${JSON.stringify(jwkOf(stranger))}`)), PROOF],
  ['2', 'alg twice, once in escapes', header(twice('"\\u0061lg":"none"')), PROOF],
  ['2', 'x twice inside the key', header(h => text(h).replace('"x":', '"x":"AAAA","x":')), PROOF],
  ['2', 'a header that is a list', header(h => `[${text(h)}]`), PROOF],
  ['2', 'a header that is no JSON', header(() => 'typ=dpop+jwt'), PROOF],
  ['2', 'a header with something behind it', header(h => `${text(h)}{}`), PROOF],
  ['2', 'a header with a byte order mark', header(h => `\ufeff${text(h)}`), PROOF],
  ['2', 'a header with a comment', header(h => text(h).replace('{', '{/**/')), PROOF],
  ['2', 'a header that is not UTF-8', header(h => Buffer.concat([Buffer.from(text(h).slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')])), PROOF],
  ['2', 'a header that is deeply nested', header(h => text(h).replace('{', `{"x":${deep(64)},`)), PROOF]
]

const PROOF_FORM = [
  ['2', 'two segments', proof(p => p.split('.').slice(0, 2).join('.')), PROOF],
  ['2', 'four segments', proof(p => `${p}.AAAA`), PROOF],
  ['2', 'five segments', proof(p => `${p}.AAAA.AAAA`), PROOF],
  ['2', 'a dot behind it', proof(p => `${p}.`), PROOF],
  ['2', 'a dot before it', proof(p => `.${p}`), PROOF],
  ['2', 'an empty header', proof(segment(0, () => '')), PROOF],
  ['2', 'an empty payload', proof(segment(1, () => '')), PROOF],
  ['2', 'an empty signature', proof(segment(2, () => '')), PROOF],
  ['2', 'a padded header', proof(segment(0, s => `${s}=`)), PROOF],
  ['2', 'a padded payload', proof(segment(1, s => `${s}==`)), PROOF],
  ['2', 'a padded signature', proof(segment(2, s => `${s}==`)), PROOF],
  ['2', 'a signature with stray bits', proof(strayBits), PROOF],
  ['2', 'a space inside', proof(p => `${p.slice(0, 20)} ${p.slice(20)}`), PROOF],
  ['2', 'a tab before the signature', proof(segment(2, s => `\t${s}`)), PROOF],
  ['2', 'standard base64', proof(p => p.replace(/\.([^.]*)$/, (_, s) => `.+/${s.slice(2)}`)), PROOF],
  ['2', 'quotation marks around it', proof(p => `"${p}"`), PROOF],
  ['2', 'its scheme before it', proof(p => `DPoP ${p}`), PROOF],
  ['2', 'a JSON serialisation', proof(p => { const [a, b, c] = p.split('.'); return JSON.stringify({ protected: a, payload: b, signature: c }) }), PROOF],
  ['2', 'more than 8,192 bytes', claims({ x: 'x'.repeat(7000) }), PROOF],
  ['6', 'a signature in DER', { proofAlg: 'DER' }, PROOF],
  ['6', 'a signature of 63 octets', proof(signature(s => s.subarray(1))), PROOF],
  ['6', 'a signature of 65 octets', proof(signature(s => Buffer.concat([s, Buffer.alloc(1)]))), PROOF],
  ['6', 'a zero before each half', proof(signature(s => Buffer.concat([Buffer.alloc(1), s.subarray(0, 32), Buffer.alloc(1), s.subarray(32)]))), PROOF],
  ['6', 'a signature of 1,100 octets', proof(signature(s => Buffer.concat([s, Buffer.alloc(1036)]))), PROOF],
  ['6', 'r = s = 0', proof(rs(() => [0n, 0n])), PROOF],
  ['6', 'r = 0', proof(rs((r, s) => [0n, s])), PROOF],
  ['6', 's = 0', proof(rs((r, s) => [r, 0n])), PROOF],
  ['6', 'r = n', proof(rs((r, s) => [N, s])), PROOF],
  ['6', 's = n', proof(rs((r, s) => [r, N])), PROOF],
  ['6', 'r = s = 1', proof(rs(() => [1n, 1n])), PROOF],
  ['6', 'r and s exchanged', proof(rs((r, s) => [s, r])), PROOF],
  ['6', 'r and s of all ones', proof(signature(() => Buffer.alloc(64, 255))), PROOF],
  ['6', 'one bit of the signature', proof(signature(s => { s[40] ^= 1; return s })), PROOF],
  ['6', 'signed with another key', { proofKey: stranger.privateKey }, PROOF],
  ['6', 'another jti under the signature', proof(unsigned(1, p => p.replace(/"jti":"./, '"jti":"!'))), PROOF],
  ['6', 'another header under the signature', proof(unsigned(0, h => h.replace('{', '{"x":1,'))), PROOF],
  ['2', 'a payload that is a list', claims(c => `[${text(c)}]`), PROOF],
  ['2', 'a payload that is text', claims(c => JSON.stringify(text(c))), PROOF],
  ['2', 'a payload that is null', claims(() => 'null'), PROOF],
  ['2', 'a payload that is no JSON', claims(() => 'jti=1&htm=POST'), PROOF],
  ['2', 'a payload with something behind it', claims(c => `${text(c)}x`), PROOF],
  ['2', 'a payload with a byte order mark', claims(c => `\ufeff${text(c)}`), PROOF],
  ['2', 'a payload with a comma too many', claims(c => text(c).replace(/}$/, ',}')), PROOF],
  ['2', 'a payload that is not UTF-8', claims(c => Buffer.concat([Buffer.from(text(c).slice(0, -1)), Buffer.from(',"x":"\xc0\xaf"}', 'latin1')])), PROOF],
  ['2', 'a payload with half a surrogate pair', claims(c => text(c).replace('{', '{"x":"\\ud800",')), PROOF],
  ['2', 'a payload that is deeply nested', claims(c => text(c).replace('{', `{"x":${deep(64)},`)), PROOF],
  ['2', 'jti twice', claims(twice('"jti":"other"')), PROOF],
  ['2', 'htm twice', claims(twice('"htm":"GET"')), PROOF],
  ['2', 'iat twice', claims(twice('"iat":1')), PROOF],
  ['2', 'ath twice, once in escapes', claims(twice('"\\u0061th":"x"')), PROOF]
]

const PROOF_CLAIMS = [
  ['3', 'an empty payload', claims(() => '{}'), PROOF],
  ...['jti', 'htm', 'htu', 'iat'].map(name => ['3', `no ${name}`, claims({ [name]: undefined }), PROOF]),
  ...['jti', 'htm', 'htu', 'iat'].map(name => ['3', `${name} null`, claims({ [name]: null }), PROOF]),
  ...['jti', 'htm', 'htu', 'iat'].map(name => ['3', `${name} a list`, claims(c => ({ ...c, [name]: [c[name]] })), PROOF]),
  ...['jti', 'htm', 'htu'].map(name => ['3', `${name} a number`, claims({ [name]: 1 }), PROOF]),
  ['3', 'jti empty', claims({ jti: '' }), PROOF],
  ['3', 'jti with a NUL', claims({ jti: 'a\u0000b' }), PROOF],
  ['8', 'htm of another method', claims({ htm: 'GET' }), PROOF],
  ['8', 'htm in lower case', claims({ htm: 'post' }), PROOF],
  ['8', 'htm with a space', claims({ htm: 'POST ' }), PROOF],
  ['8', 'htm with more behind it', claims({ htm: 'POSTS' }), PROOF],
  ['8', 'htm empty', claims({ htm: '' }), PROOF],
  ['8', 'htm with a look-alike letter', claims({ htm: 'P\u041eST' }), PROOF],
  ['9', 'htu empty', htu(''), PROOF],
  ['9', 'htu without scheme and host', htu(SEARCH), PROOF],
  ['9', 'htu without scheme', htu(o => `${o.slice(6)}${SEARCH}`), PROOF],
  ['9', 'htu with http', htu(o => `${o.replace('https', 'http')}${SEARCH}`), PROOF],
  ['9', 'htu of another host', htu(o => `${o.replace('localhost', 'example.org')}${SEARCH}`), PROOF],
  ['9', 'htu with the address of the same host', htu(o => `${o.replace('localhost', '127.0.0.1')}${SEARCH}`), PROOF],
  ['9', 'htu with a dot behind the host', htu(o => `${o.replace('localhost', 'localhost.')}${SEARCH}`), PROOF],
  ['9', 'htu of another port', htu(() => `https://localhost:1${SEARCH}`), PROOF],
  ['9', 'htu without the port', htu(() => `https://localhost${SEARCH}`), PROOF],
  ['9', 'htu with a port that overflows', htu(o => `https://localhost:${Number(o.split(':')[2]) + 65536}${SEARCH}`), PROOF],
  ['9', 'htu with a user', htu(o => `${o.replace('//', '//x@')}${SEARCH}`), PROOF],
  ['9', 'htu whose user looks like the host', htu(o => `${o}@example.org${SEARCH}`), PROOF],
  ['9', 'htu of another path', htu(o => `${o}/collections/other/points/search`), PROOF],
  ['9', 'htu of the path above', htu(o => `${o}/collections/docs/points`), PROOF],
  ['9', 'htu with a slash behind it', htu(o => `${o}${SEARCH}/`), PROOF],
  ['9', 'htu with two slashes', htu(o => `${o}/${SEARCH}`), PROOF],
  ['9', 'htu with a path in capitals', htu(o => `${o}/Collections/docs/points/search`), PROOF],
  ['9', 'htu with an encoded slash', htu(o => `${o}/collections/docs%2Fpoints/search`), PROOF],
  ['9', 'htu encoded twice', htu(o => `${o}/collections/%2564ocs/points/search`), PROOF],
  ['9', 'htu with half an escape', htu(o => `${o}/collections/%6/points/search`), PROOF],
  ['9', 'htu with a space before it', htu(o => ` ${o}${SEARCH}`), PROOF],
  ['9', 'htu with a line feed behind it', htu(o => `${o}${SEARCH}\n`), PROOF],
  ['9', 'htu with a letter beyond ASCII', htu(o => `${o}/collections/d\u043ecs/points/search`), PROOF],
  ['9', 'htu with its host in capitals is the same', htu(o => `${o.toUpperCase()}${SEARCH}`), PASSES],
  ['9', 'htu with encoded letters is the same', htu(o => `${o}/collections/%64oc%73/points/search`), PASSES],
  ['9', 'htu with dot segments is the same', htu(o => `${o}/collections/x/../docs/./points/search`), PASSES],
  ['9', 'a path with encoded letters is the same', { path: '/collections/%64ocs/points/search' }, PASSES],
  ['9', 'htu without the request\'s query is right', { path: `${SEARCH}?consistency=majority`, ...claims(c => ({ ...c, htu: c.htu.split('?')[0] })) }, PASSES],
  ['9', 'a query and a fragment in htu are left out', htu(o => `${o}${SEARCH}?x=1#y`), PASSES],
  ['9', 'a query in htu hides no other path', htu(o => `${o}/collections/other?${SEARCH}`), PROOF],
  ['9', 'a path with an encoded character that must stay, under the htu of another', { path: '/collections/do%3Fcs/points/search' }, PROOF],
  ['11', 'iat an hour ago', () => claims({ iat: now() - 3600 }), STALE],
  ['11', 'iat a minute and a bit ago', () => claims({ iat: now() - 62 }), STALE],
  ['11', 'iat in an hour', () => claims({ iat: now() + 3600 }), STALE],
  ['11', 'iat more than five seconds ahead', () => claims({ iat: now() + 10 }), STALE],
  ['11', 'iat 0', claims({ iat: 0 }), STALE],
  ['11', 'iat in the year 9999', claims({ iat: 253402300799 }), STALE],
  ['3', 'iat beyond the year 9999', claims({ iat: 253402300800 }), PROOF],
  ['3', 'iat negative', claims({ iat: -1 }), PROOF],
  ['3', 'iat in milliseconds', () => claims({ iat: Date.now() }), PROOF],
  ['3', 'iat as text', () => claims({ iat: String(now()) }), PROOF],
  ['3', 'iat as a date', claims({ iat: '2026-11-22T00:00:00Z' }), PROOF],
  ['3', 'iat true', claims({ iat: true }), PROOF],
  ['3', 'iat that no number holds', claims(c => text(c).replace(/"iat":\d+/, '"iat":1e999')), PROOF],
  ['3', 'iat with a plus sign', claims(c => text(c).replace('"iat":', '"iat":+')), PROOF],
  ['3', 'iat with a zero in front', claims(c => text(c).replace('"iat":', '"iat":0')), PROOF],
  ['3', 'iat with a fraction is a NumericDate', () => claims({ iat: now() + 0.5 }), PASSES],
  ['3', 'iat with an exponent is a NumericDate', () => claims(c => text(c).replace(/"iat":\d+/, `"iat":${now() / 10}e1`)), PASSES],
  ['12', 'no ath', claims({ ath: undefined }), PROOF],
  ['12', 'ath null', claims({ ath: null }), PROOF],
  ['12', 'ath empty', claims({ ath: '' }), PROOF],
  ['12', 'ath a number', claims({ ath: 1 }), PROOF],
  ['12', 'ath in a list', claims(c => ({ ...c, ath: [c.ath] })), PROOF],
  ['12', 'ath of another token', claims({ ath: sha256('another token') }), PROOF],
  ['12', 'ath padded', claims(c => ({ ...c, ath: `${c.ath}=` })), PROOF],
  ['12', 'ath in hexadecimal', claims(c => ({ ...c, ath: Buffer.from(c.ath, 'base64url').toString('hex') })), PROOF],
  ['12', 'ath cut', claims(c => ({ ...c, ath: c.ath.slice(0, -1) })), PROOF],
  ['12', 'ath with stray bits', claims(c => ({ ...c, ath: stray(c.ath) })), PROOF],
  ['12', 'the token itself as ath', { proof: (p, t) => jws({ typ: 'dpop+jwt', alg: 'ES256', jwk }, { ...JSON.parse(Buffer.from(p.split('.')[1], 'base64url')), ath: t }, keys.privateKey) }, PROOF],
  ['12', 'a proof of another key, right in itself', key(jwkOf(stranger), { proofKey: stranger.privateKey }), OTHERS],
  ['12', 'a proof of an RSA key, right in itself', { ...header({ alg: 'RS256', jwk: jwkOf(rsa) }), proofKey: rsa.privateKey, proofAlg: 'RS256' }, OTHERS],
  ['12', 'members of a key that mean nothing change nothing', key({ ...jwk, kid: 'x', use: 'sig', alg: 'ES256', ext: true }), PASSES]
]

// ---------------------------------------------------------------------------------------------------- fields

const FIELDS = [
  ['1', 'no DPoP field', fields(() => ({ dpop: undefined })), NO_PROOF],
  ['1', 'an empty DPoP field', fields(() => ({ dpop: '' })), PROOF],
  ['1', 'a DPoP field of spaces', fields(() => ({ dpop: '   ' })), PROOF],
  ['1', 'the same proof in two fields', fields(f => ({ dpop: [f.dpop, f.dpop] })), PROOF],
  ['1', 'a proof, and an empty field', fields(f => ({ dpop: [f.dpop, ''] })), PROOF],
  ['1', 'a proof, and one of somebody else', fields(f => ({ dpop: ['a.b.c', f.dpop] })), PROOF],
  ['1', 'two proofs with a comma between them', fields(f => ({ dpop: `${f.dpop}, ${f.dpop}` })), PROOF],
  ['1', 'a proof with a comma behind it', fields(f => ({ dpop: `${f.dpop},` })), PROOF],
  ['1', 'a proof of a mebibyte', () => ({ raw: large('DPoP') }), TOO_LARGE],
  ['26', 'a token of a mebibyte', () => ({ raw: large('Authorization') }), TOO_LARGE],
  ['14', 'a DPoP-bound token as Bearer, with its proof', authorization(a => a.replace('DPoP', 'Bearer')), BEARER],
  ['14', 'a DPoP-bound token as Bearer, without', fields(f => ({ authorization: f.authorization.replace('DPoP', 'bearer'), dpop: undefined })), BEARER],
  ['26', 'no Authorization', authorization(() => undefined), NO_TOKEN],
  ['26', 'an empty Authorization', authorization(() => ''), NO_TOKEN],
  ['26', 'Basic', authorization(() => `Basic ${Buffer.from('user:password').toString('base64')}`), NO_TOKEN],
  ['26', 'Negotiate', authorization(() => 'Negotiate AAAA'), NO_TOKEN],
  ['26', 'a scheme that begins alike', authorization(a => a.replace('DPoP', 'DPoP2')), NO_TOKEN],
  ['26', 'no scheme', authorization(a => a.slice(5)), NO_TOKEN],
  ['26', 'a tab behind the scheme', authorization(a => a.replace(' ', '\t')), NO_TOKEN],
  ['26', 'a scheme without credentials', authorization(() => 'DPoP'), WAYS],
  ['26', 'Bearer without credentials', authorization(() => 'Bearer '), WAYS],
  ['26', 'two Authorization fields', authorization(a => [a, a]), WAYS],
  ['26', 'two Authorization fields of two schemes', authorization(a => [a, 'Bearer x']), WAYS],
  ['26', 'two tokens with a comma between them', authorization(a => `${a}, ${a}`), TOKEN],
  ['26', 'a token with a parameter', authorization(a => `${a} realm=x`), TOKEN],
  ['26', 'a token in quotation marks', authorization(a => a.replace(/ (.*)/, ' "$1"')), TOKEN],
  ['26', 'a token in the query, too', { path: `${SEARCH}?access_token=x` }, WAYS],
  ['26', 'a token in the query only', { path: `${SEARCH}?access_token=x`, ...authorization(() => undefined) }, WAYS],
  ['26', 'a token in the query, its name encoded', { path: `${SEARCH}?%61ccess_token=x` }, WAYS],
  ['26', 'a token in a form', { ...authorization(() => undefined), body: 'access_token=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, NO_TOKEN],
  ['26', 'a token in a cookie', fields(f => ({ authorization: undefined, cookie: `access_token=${f.authorization.slice(5)}` })), NO_TOKEN],
  ['26', 'a token in X-Forwarded-Access-Token', fields(f => ({ authorization: undefined, 'x-forwarded-access-token': f.authorization.slice(5) })), NO_TOKEN],
  ['26', 'a token in Proxy-Authorization', fields(f => ({ authorization: undefined, 'proxy-authorization': f.authorization })), NO_TOKEN],
  ['26', 'the scheme in lower case is the same', authorization(a => a.replace('DPoP', 'dpop')), PASSES],
  ['26', 'two spaces behind the scheme are one', authorization(a => a.replace(' ', '  ')), PASSES],
  ['9', 'an authority that is forwarded is not looked at', { headers: { 'x-forwarded-host': 'example.org', 'x-forwarded-proto': 'http', forwarded: 'host=example.org' } }, PASSES],
  ['9', 'nor does it make a proof for another host right', { ...htu(`https://example.org${SEARCH}`)(), headers: { 'x-forwarded-host': 'example.org', forwarded: 'host=example.org;proto=https' } }, PROOF]
]

const large = name => async base => {
  const raw = await base.client.open()
  raw.send(`POST ${SEARCH} HTTP/1.1\r\nHost: localhost:${w.port}\r\n${name}: DPoP `)
  const piece = 'x'.repeat(16384)
  for (let i = 0; i < 64 && !raw.ended && !raw.over; i++) {
    raw.send(piece)
    await sleep(1)
  }
  const answer = await raw.response()
  raw.close()
  return { ...answer, text: answer.body }
}

const REPLAYS = [
  ['16', 'the same request', secondTime(), REPLAYED],
  ['16', 'the same proof with the other signature of the same', secondTime(f => ({ dpop: rs((r, s) => [r, N - s])(f.dpop) })), REPLAYED],
  ['16', 'the same jti in a newer proof', secondTime(f => ({ dpop: reproved(f, c => ({ ...c, iat: c.iat + 1 })) })), REPLAYED],
  ['16', 'the same jti with htu spelled otherwise', secondTime(f => ({ dpop: reproved(f, c => ({ ...c, htu: c.htu.replace('docs', '%64ocs') })) })), REPLAYED],
  ['16', 'the same jti with a header spelled otherwise', secondTime(f => ({ dpop: reproved(f, c => c, { x: 1 }) })), REPLAYED],
  ['9', 'the same proof for another path', () => ({ ...secondTime()(), path: OTHER }), PROOF],
  ['12', 'the same proof with another token', secondTime(() => ({ authorization: crooked(on, {}).authorization })), PROOF],
  ['16', 'the same jti for another path is another proof', () => ({ ...secondTime(f => ({ dpop: reproved(f, c => ({ ...c, htu: on.origin + OTHER })) }))(), path: OTHER }), PASSES],
  ['16', 'another jti is another proof', secondTime(f => ({ dpop: reproved(f, c => ({ ...c, jti: `${c.jti}x` })) })), PASSES],
  ['16', 'a jti that differs in its case is another', secondTime(f => ({ dpop: reproved(f, c => ({ ...c, jti: c.jti.toUpperCase() })) })), PASSES]
]

function reproved(f, change, more = {}) {
  return jws({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...more }, change(JSON.parse(Buffer.from(f.dpop.split('.')[1], 'base64url'))), keys.privateKey)
}

// ---------------------------------------------------------------------------------------------------- tokens

const TOKEN_HEADERS = [
  ...['none', 'None', 'nOnE', 'NONE'].map(alg => ['21', `alg ${alg}, no signature`, token(without(alg)), TOKEN]),
  ...['none', 'nOnE'].map(alg => ['21', `alg ${alg}, signed`, tHeader({ alg }), TOKEN]),
  ['21', 'alg none, a signature of one octet', token(t => `${without('none')(t)}AA`), TOKEN],
  ['21', 'HS256 with the public key in PEM', () => ({ ...tHeader({ alg: 'HS256' }), tokenAlg: 'HS256', tokenKey: issuer.test.publicKey.export({ type: 'spki', format: 'pem' }) }), TOKEN],
  ['21', 'HS256 with the public key in DER', () => ({ ...tHeader({ alg: 'HS256' }), tokenAlg: 'HS256', tokenKey: issuer.test.publicKey.export({ type: 'spki', format: 'der' }) }), TOKEN],
  ['21', 'HS256 with the public key as JWK', () => ({ ...tHeader({ alg: 'HS256' }), tokenAlg: 'HS256', tokenKey: JSON.stringify(issuer.test.jwk) }), TOKEN],
  ['21', 'HS256 with an empty secret', { ...tHeader({ alg: 'HS256', kid: undefined }), tokenAlg: 'HS256', tokenKey: '' }, TOKEN],
  ['21', 'alg missing', tHeader({ alg: undefined }), TOKEN],
  ['21', 'alg a list', tHeader({ alg: ['ES256'] }), TOKEN],
  ['21', 'alg in lower case', tHeader({ alg: 'es256' }), TOKEN],
  ['21', 'alg ES384, not on the list', tHeader({ alg: 'ES384' }), TOKEN],
  ['21', 'alg RS256 with an EC key', tHeader({ alg: 'RS256' }), TOKEN],
  ['21', 'alg of an encryption', tHeader({ alg: 'RSA-OAEP', enc: 'A256GCM' }), TOKEN],
  ['23', 'kid unknown', tHeader({ kid: 'nobody' }), TOKEN],
  ['23', 'kid empty', tHeader({ kid: '' }), TOKEN],
  ['23', 'kid a number', tHeader({ kid: 1 }), TOKEN],
  ['23', 'kid of a path', tHeader({ kid: '../../../../dev/null' }), TOKEN],
  ['23', 'kid of an URL', tHeader({ kid: 'https://attacker.example/key' }), TOKEN],
  ['23', 'kid of SQL', tHeader({ kid: 'x\' OR \'1\'=\'1' }), TOKEN],
  ['23', 'kid of a command', tHeader({ kid: '$(reboot)' }), TOKEN],
  ['23', 'kid with a NUL behind it', tHeader({ kid: 'test-1\u0000' }), TOKEN],
  ['23', 'kid in capitals', tHeader({ kid: 'TEST-1' }), TOKEN],
  ['23', 'kid of another issuer\'s key', tHeader({ kid: 'other-1' }), TOKEN],
  ['23', 'without a kid, the one key there is', tHeader({ kid: undefined }), PASSES],
  ['24', 'typ JWT', tHeader({ typ: 'JWT' }), TOKEN],
  ['24', 'typ missing', tHeader({ typ: undefined }), TOKEN],
  ['24', 'typ empty', tHeader({ typ: '' }), TOKEN],
  ['24', 'typ of a proof', tHeader({ typ: 'dpop+jwt' }), TOKEN],
  ['24', 'typ of a logout', tHeader({ typ: 'logout+jwt' }), TOKEN],
  ['24', 'typ of another tree', tHeader({ typ: 'text/at+jwt' }), TOKEN],
  ['24', 'typ with more behind it', tHeader({ typ: 'at+jwt; x' }), TOKEN],
  ['24', 'typ a number', tHeader({ typ: 1 }), TOKEN],
  ['24', 'typ with application/ is the same', tHeader({ typ: 'application/at+jwt' }), PASSES],
  ['24', 'typ in capitals is the same', tHeader({ typ: 'AT+JWT' }), PASSES],
  ['23', 'brings a jwk', { ...tHeader({ jwk: jwkOf(stranger) }), tokenKey: stranger.privateKey }, TOKEN],
  ['23', 'brings the issuer\'s own jwk', () => tHeader({ jwk: issuer.test.jwk }), TOKEN],
  ['23', 'points to a jku', tHeader({ jku: 'https://attacker.example/jwks' }), TOKEN],
  ['23', 'points to an x5u', tHeader({ x5u: 'https://attacker.example/chain' }), TOKEN],
  ['23', 'brings an x5c', tHeader({ x5c: ['AAAA'] }), TOKEN],
  ['23', 'a jku that is null', tHeader({ jku: null }), TOKEN],
  ['23', 'crit with something unknown', tHeader({ crit: ['x'], x: 1 }), TOKEN],
  ['23', 'crit with exp', tHeader({ crit: ['exp'] }), TOKEN],
  ['23', 'an empty crit', tHeader({ crit: [] }), TOKEN],
  ['23', 'b64 false', tHeader({ b64: false }), TOKEN],
  ['23', 'alg twice', tHeader(twice('"alg":"none"')), TOKEN],
  ['23', 'kid twice, once in escapes', tHeader(twice('"\\u006bid":"other-1"')), TOKEN],
  ['26', 'a header that is a list', tHeader(h => `[${text(h)}]`), TOKEN],
  ['26', 'a header that is no JSON', tHeader(() => 'at+jwt'), TOKEN],
  ['26', 'a header of more than 4 KiB', tHeader({ x: 'x'.repeat(5000) }), TOKEN],
  ['26', 'a header that is deeply nested', tHeader(h => text(h).replace('{', `{"x":${deep(64)},`)), TOKEN],
  ['26', 'no JWT at all', token(() => 'opaque'), TOKEN],
  ['26', 'two segments', token(t => t.split('.').slice(0, 2).join('.')), TOKEN],
  ['26', 'four segments', token(t => `${t}.AAAA`), TOKEN],
  ['26', 'five segments: encrypted', token(t => `${t}.AAAA.AAAA`), TOKEN],
  ['26', 'six segments', token(t => `${t}.AAAA.AAAA.AAAA`), TOKEN],
  ['26', 'an empty signature', token(segment(2, () => '')), TOKEN],
  ['26', 'an empty payload', token(segment(1, () => '')), TOKEN],
  ['26', 'a padded payload', token(segment(1, s => `${s}=`)), TOKEN],
  ['26', 'a padded signature', token(segment(2, s => `${s}==`)), TOKEN],
  ['26', 'a signature with stray bits', token(strayBits), TOKEN],
  ['22', 'a signature in DER', { tokenAlg: 'DER' }, TOKEN],
  ['22', 'a signature cut by an octet', token(signature(s => s.subarray(0, 63))), TOKEN],
  ['22', 'a signature with an octet more', token(signature(s => Buffer.concat([s, Buffer.alloc(1)]))), TOKEN],
  ['22', 'r = s = 0', token(rs(() => [0n, 0n])), TOKEN],
  ['22', 'r = 0', token(rs((r, s) => [0n, s])), TOKEN],
  ['22', 's = 0', token(rs((r, s) => [r, 0n])), TOKEN],
  ['22', 'r = n', token(rs((r, s) => [N, s])), TOKEN],
  ['22', 's = n', token(rs((r, s) => [r, N])), TOKEN],
  ['22', 'one bit of the signature', token(signature(s => { s[9] ^= 128; return s })), TOKEN],
  ['22', 'the signature of another token', token(t => segment(2, () => crooked(on, {}).authorization.split('.')[2])(t)), TOKEN],
  ['22', 'other claims under the signature', token(unsigned(1, p => p.replace('vectors.rw', 'vectors.xx'))), TOKEN],
  ['22', 'another header under the signature', token(unsigned(0, h => h.replace('{', '{"x":1,'))), TOKEN],
  ['22', 'signed with the key of the proof', { tokenKey: keys.privateKey }, TOKEN],
  ['22', 'signed with another issuer\'s key', () => ({ tokenKey: issuer.other.key }), TOKEN],
  ['22', 'signed with another issuer\'s key and kid', () => ({ ...tHeader({ kid: 'other-1' }), tokenKey: issuer.other.key }), TOKEN],
  ['22', 'of another issuer, with the key of this one', () => tClaims({ iss: issuer.other.iss }), TOKEN],
  ['22', 'of another issuer, with kid and key of this one', () => ({ ...tHeader({ kid: 'other-1' }), ...tClaims({ iss: issuer.other.iss }) }), TOKEN]
]

const TOKEN_CLAIMS = [
  ...['iss', 'aud', 'sub', 'client_id', 'jti', 'iat', 'exp'].map(name => ['25', `no ${name}`, tClaims({ [name]: undefined }), TOKEN]),
  ...['iss', 'aud', 'sub', 'client_id', 'jti', 'iat', 'exp'].map(name => ['25', `${name} null`, tClaims({ [name]: null }), TOKEN]),
  ...['iss', 'sub', 'client_id', 'jti'].map(name => ['25', `${name} a number`, tClaims({ [name]: 1 }), TOKEN]),
  ...['iss', 'sub', 'client_id', 'jti', 'iat', 'exp'].map(name => ['25', `${name} in a list`, tClaims(c => ({ ...c, [name]: [c[name]] })), TOKEN]),
  ...['sub', 'client_id', 'jti'].map(name => ['25', `${name} empty`, tClaims({ [name]: '' }), TOKEN]),
  ...['iss', 'sub', 'jti'].map(name => ['25', `${name} with a NUL behind it`, tClaims(c => ({ ...c, [name]: `${c[name]}\u0000` })), TOKEN]),
  ['25', 'iss with a slash behind it', tClaims(c => ({ ...c, iss: `${c.iss}/` })), TOKEN],
  ['25', 'iss in capitals', tClaims(c => ({ ...c, iss: c.iss.toUpperCase() })), TOKEN],
  ['25', 'iss with http', tClaims(c => ({ ...c, iss: c.iss.replace('https', 'http') })), TOKEN],
  ['25', 'iss with a look-alike letter', tClaims(c => ({ ...c, iss: c.iss.replace('e', '\u0435') })), TOKEN],
  ['25', 'iss unknown', tClaims({ iss: 'https://nobody.example' }), TOKEN],
  ['25', 'iss twice', tClaims(twice('"iss":"https://other.example"')), TOKEN],
  ['25', 'aud of another', tClaims({ aud: 'other' }), TOKEN],
  ['25', 'aud in capitals', tClaims({ aud: 'Sallyport' }), TOKEN],
  ['25', 'aud that begins alike', tClaims({ aud: 'sallyports' }), TOKEN],
  ['25', 'aud that is the beginning', tClaims({ aud: 'sally' }), TOKEN],
  ['25', 'aud of two words', tClaims({ aud: 'sallyport other' }), TOKEN],
  ['25', 'aud with a space', tClaims({ aud: ' sallyport' }), TOKEN],
  ['25', 'aud empty', tClaims({ aud: '' }), TOKEN],
  ['25', 'aud an empty list', tClaims({ aud: [] }), TOKEN],
  ['25', 'aud a list of others', tClaims({ aud: ['other', 'another'] }), TOKEN],
  ['25', 'aud a list in a list', tClaims({ aud: [['sallyport']] }), TOKEN],
  ['25', 'aud a list with a number in it', tClaims({ aud: ['sallyport', 1] }), TOKEN],
  ['25', 'aud an object', tClaims({ aud: { sallyport: true } }), TOKEN],
  ['25', 'aud a list with ours in it', tClaims({ aud: ['other', 'sallyport'] }), PASSES],
  ['25', 'expired a minute ago', () => tClaims({ iat: now() - 300, exp: now() - 60 }), EXPIRED],
  ['25', 'expired at the epoch', tClaims({ iat: 0, exp: 1 }), EXPIRED],
  ['25', 'exp before iat', () => tClaims({ exp: now() - 1 }), TOKEN],
  ['25', 'exp as text', () => tClaims({ exp: String(now() + 300) }), TOKEN],
  ['25', 'exp negative', tClaims({ exp: -1 }), TOKEN],
  ['25', 'exp in milliseconds', () => tClaims({ exp: Date.now() + 300000 }), TOKEN],
  ['25', 'exp that no number holds', tClaims(c => text(c).replace(/"exp":\d+/, '"exp":1e999')), TOKEN],
  ['25', 'exp true', tClaims({ exp: true }), TOKEN],
  ['25', 'exp twice', () => tClaims(twice(`"exp":${now() + 301}`)), TOKEN],
  ['25', 'lives longer than an hour', () => tClaims({ exp: now() + 3601 }), TOKEN],
  ['25', 'lives for a century', () => tClaims({ exp: now() + 3155760000 }), TOKEN],
  ['25', 'iat in ten minutes', () => tClaims({ iat: now() + 600, exp: now() + 900 }), TOKEN],
  ['25', 'iat as text', () => tClaims({ iat: String(now()) }), TOKEN],
  ['25', 'nbf in ten minutes', () => tClaims({ nbf: now() + 600 }), TOKEN],
  ['25', 'nbf as text', () => tClaims({ nbf: String(now()) }), TOKEN],
  ['25', 'nbf null', tClaims({ nbf: null }), TOKEN],
  ['25', 'a clock that is ten seconds off is forgiven', () => tClaims({ iat: now() - 200, exp: now() - 10 }), PASSES],
  ['18', 'no cnf', tClaims({ cnf: undefined }), UNBOUND],
  ['18', 'cnf empty', cnf({}), UNBOUND],
  ['18', 'cnf null', cnf(null), TOKEN],
  ['18', 'cnf text', cnf('jkt'), TOKEN],
  ['18', 'cnf a list', cnf(c => [c]), TOKEN],
  ['18', 'cnf with something unknown', cnf(c => ({ ...c, other: 'x' })), TOKEN],
  ['18', 'cnf with a whole key', cnf({ jwk }), TOKEN],
  ['18', 'cnf with a kid', cnf(c => ({ ...c, kid: 'x' })), TOKEN],
  ['18', 'cnf with x5t of SHA-1', cnf(c => ({ ...c, x5t: 'AAAAAAAAAAAAAAAAAAAAAAAAAAA' })), TOKEN],
  ['18', 'cnf with JKT in capitals', cnf(c => ({ JKT: c.jkt })), TOKEN],
  ['18', 'cnf with an empty jkt', cnf({ jkt: '' }), TOKEN],
  ['18', 'cnf with a jkt that is a number', cnf({ jkt: 1 }), TOKEN],
  ['18', 'cnf with a jkt in a list', cnf(c => ({ jkt: [c.jkt] })), TOKEN],
  ['18', 'cnf with a padded jkt', cnf(c => ({ jkt: `${c.jkt}=` })), TOKEN],
  ['18', 'cnf with a jkt in hexadecimal', cnf(c => ({ jkt: Buffer.from(c.jkt, 'base64url').toString('hex') })), TOKEN],
  ['18', 'cnf twice', () => tClaims(twice(`"cnf":{"jkt":"${thumbprint(jwkOf(stranger))}"}`)), TOKEN],
  ['18', 'jkt twice', () => tClaims(c => text(c).replace('"jkt":', `"jkt":"${thumbprint(jwkOf(stranger))}","jkt":`)), TOKEN],
  ['12', 'jkt of another key', cnf(() => ({ jkt: thumbprint(jwkOf(stranger)) })), OTHERS],
  ['18', 'the right jkt, and x5t#S256 of another certificate', cnf(c => ({ ...c, 'x5t#S256': sha256('another') })), OTHERS],
  ['18', 'x5t#S256 of this certificate without a key, as DPoP', () => cnf(boundToCertificate(client.who.certPem))(), UNBOUND],
  ['26c', 'of another workload', tClaims({ sub: 'spiffe://example.org/other' }), OTHERS],
  ['26c', 'of a workload whose name begins alike', tClaims(c => ({ ...c, sub: `${c.sub}2` })), OTHERS],
  ['26c', 'of a workload whose name is the beginning', tClaims(c => ({ ...c, sub: c.sub.slice(0, -1) })), OTHERS],
  ['26c', 'of a workload below', tClaims(c => ({ ...c, sub: `${c.sub}/below` })), OTHERS],
  ['26c', 'of a workload in capitals', tClaims(c => ({ ...c, sub: c.sub.replace('negative', 'Negative') })), OTHERS],
  ['26c', 'of a trust domain', tClaims({ sub: 'spiffe://example.org' }), OTHERS],
  ['26c', 'of a name that is no SPIFFE ID', tClaims({ sub: 'negative' }), TOKEN],
  ['26c', 'of a SPIFFE ID with a slash behind it', tClaims(c => ({ ...c, sub: `${c.sub}/` })), TOKEN],
  ['26c', 'of a SPIFFE ID with dots in it', tClaims({ sub: 'spiffe://example.org/x/../negative' }), TOKEN],
  ['26c', 'of a SPIFFE ID with escapes in it', tClaims({ sub: 'spiffe://example.org/%6eegative' }), TOKEN],
  ['26c', 'of a SPIFFE ID with a port', tClaims({ sub: 'spiffe://example.org:443/negative' }), TOKEN],
  ['26c', 'of a SPIFFE ID with a query', tClaims({ sub: 'spiffe://example.org/negative?x' }), TOKEN],
  ['26c', 'of a SPIFFE ID with a look-alike letter', tClaims({ sub: 'spiffe://example.org/n\u0435gative' }), TOKEN],
  ['26c', 'of a URL', tClaims({ sub: 'https://example.org/negative' }), TOKEN],
  ['26c', 'sub twice', tClaims(twice('"sub":"spiffe://example.org/other"')), TOKEN],
  ['26c', 'sub twice, once in escapes', tClaims(twice('"\\u0073ub":"spiffe://example.org/other"')), TOKEN],
  ['26b', 'of a trust domain that is not the issuer\'s', tClaims({ sub: 'spiffe://partner.example/negative' }), TOKEN],
  ['26b', 'a role that is not the issuer\'s', tClaims({ roles: ['reader', 'admin'] }), TOKEN],
  ['26b', 'a role that begins alike', tClaims({ roles: ['reader2'] }), TOKEN],
  ['26b', 'a role in capitals', tClaims({ roles: ['Reader'] }), TOKEN],
  ['26b', 'roles with a number in them', tClaims({ roles: ['reader', 1] }), TOKEN],
  ['26b', 'roles an object', tClaims({ roles: { reader: true } }), TOKEN],
  ['26b', 'a group that is not the issuer\'s', tClaims({ groups: ['wheel'] }), TOKEN],
  ['26b', 'a tenant that is not the issuer\'s', tClaims({ tenant: 'globex' }), TOKEN],
  ['26b', 'a tenant with more behind it', tClaims({ tenant: 'acme/globex' }), TOKEN],
  ['26b', 'a tenant in a list', tClaims({ tenant: ['acme'] }), TOKEN],
  ['26b', 'role, group and tenant of the issuer\'s', tClaims({ roles: ['reader'], groups: ['staff'], tenant: 'acme' }), PASSES],
  ['26a', 'no scope', tClaims({ scope: undefined }), SCOPE],
  ['26a', 'an empty scope', tClaims({ scope: '' }), SCOPE],
  ['26a', 'an unknown scope', tClaims({ scope: 'vectors' }), SCOPE],
  ['26a', 'a scope in capitals', tClaims({ scope: 'VECTORS.RW' }), SCOPE],
  ['26a', 'scopes with a comma between them', tClaims({ scope: 'vectors.rw,vectors.read' }), SCOPE],
  ['26a', 'a scope that only reads, for a write', () => ({ ...tClaims({ scope: 'vectors.read' }), ...writes() }), SCOPE],
  ['26a', 'a scope that is a number', tClaims({ scope: 1 }), TOKEN],
  ['26a', 'a scope that is an object', tClaims({ scope: { 'vectors.rw': true } }), TOKEN],
  ['26', 'a payload that is a list', tClaims(c => `[${text(c)}]`), TOKEN],
  ['26', 'a payload that is text', tClaims(c => JSON.stringify(text(c))), TOKEN],
  ['26', 'a payload that is null', tClaims(() => 'null'), TOKEN],
  ['26', 'a payload that is no JSON', tClaims(() => 'iss=https://test.example'), TOKEN],
  ['26', 'a payload with something behind it', tClaims(c => `${text(c)}{}`), TOKEN],
  ['26', 'a payload with a byte order mark', tClaims(c => `\ufeff${text(c)}`), TOKEN],
  ['26', 'a payload that is not UTF-8', tClaims(c => Buffer.concat([Buffer.from(text(c).slice(0, -1)), Buffer.from(',"x":"\xed\xa0\x80"}', 'latin1')])), TOKEN],
  ['26', 'a payload with half a surrogate pair', tClaims(c => text(c).replace('{', '{"x":"\\udc00",')), TOKEN],
  ['26', 'a payload that is deeply nested', tClaims(c => text(c).replace('{', `{"x":${deep(64)},`)), TOKEN],
  ['26', 'a payload with a number no one can write', tClaims(c => text(c).replace('{', '{"x":NaN,')), TOKEN],
  ['26', 'a token of more than 16 KiB', tClaims({ x: 'x'.repeat(13000) }), TOKEN],
  ['23', 'a member twice that means nothing', tClaims(twice('"x":1,"x":1')), TOKEN],
  ['23', 'a member twice, deep inside', tClaims(twice('"x":[{"y":1,"y":1}]')), TOKEN]
]

// An upsert, with a proof for it.
const UPSERT = '/collections/docs/points'
const writes = () => ({ method: 'PUT', path: UPSERT, body: '{"points":[]}', proofClaims: { htm: 'PUT', htu: on.origin + UPSERT } })

const CERTIFICATE = [
  ['18', 'of another certificate', tClaims({ cnf: { 'x5t#S256': sha256('another') } }), OTHERS],
  ['18', 'the hash of the certificate\'s text', () => tClaims({ cnf: { 'x5t#S256': sha256(client.who.certPem) } }), OTHERS],
  ['18', 'the hash in hexadecimal', tClaims(c => ({ ...c, cnf: { 'x5t#S256': Buffer.from(c.cnf['x5t#S256'], 'base64url').toString('hex') } })), TOKEN],
  ['18', 'the hash padded', tClaims(c => ({ ...c, cnf: { 'x5t#S256': `${c.cnf['x5t#S256']}=` } })), TOKEN],
  ['18', 'the hash empty', tClaims({ cnf: { 'x5t#S256': '' } }), TOKEN],
  ['18', 'the member in lower case', tClaims(c => ({ ...c, cnf: { 'x5t#s256': c.cnf['x5t#S256'] } })), TOKEN],
  ['18', 'no cnf', tClaims({ cnf: undefined }), UNBOUND],
  ['18', 'bound to a key instead', () => tClaims({ cnf: on.cnf }), UNBOUND],
  ['14', 'bound to a key as well, and sent as Bearer', tClaims(c => ({ ...c, cnf: { ...c.cnf, ...on.cnf } })), BEARER],
  ['12', 'sent with the DPoP scheme', fields(f => ({ authorization: f.authorization.replace('Bearer', 'DPoP') })), UNBOUND],
  ['18', 'a certificate that a field claims to be', { ...tClaims({ cnf: { 'x5t#S256': sha256('another') } }), headers: { 'client-cert': ':YW5vdGhlcg==:', 'x-forwarded-client-cert': 'Hash=1', 'x-ssl-client-cert': 'x' } }, OTHERS]
]

const BOTH = [
  ['18', 'bound to the key only', () => tClaims({ cnf: on.cnf }), UNBOUND],
  ['18', 'bound to the certificate only', tClaims(c => ({ ...c, cnf: { 'x5t#S256': c.cnf['x5t#S256'] } })), UNBOUND],
  ['18', 'the key right, the certificate wrong', tClaims(c => ({ ...c, cnf: { ...c.cnf, 'x5t#S256': sha256('another') } })), OTHERS],
  ['12', 'the certificate right, the key wrong', tClaims(c => ({ ...c, cnf: { ...c.cnf, jkt: thumbprint(jwkOf(stranger)) } })), OTHERS],
  ['1', 'both right, no proof', fields(() => ({ dpop: undefined })), NO_PROOF],
  ['14', 'both right, sent as Bearer', fields(f => ({ authorization: f.authorization.replace('DPoP', 'Bearer') })), BEARER]
]

const PREFIX = [
  ['26c', 'the whole name', tClaims({ sub: 'spiffe://example.org/team/one' }), PASSES],
  ['26c', 'a prefix that ends inside a segment', tClaims({ sub: 'spiffe://example.org/tea' }), OTHERS],
  ['26c', 'a prefix with its slash', tClaims({ sub: 'spiffe://example.org/team/' }), TOKEN],
  ['26c', 'a trust domain', tClaims({ sub: 'spiffe://example.org' }), PASSES],
  ['26c', 'half a trust domain', tClaims({ sub: 'spiffe://example' }), TOKEN],
  ['26c', 'a trust domain that goes on', tClaims({ sub: 'spiffe://example.org.evil/team' }), TOKEN],
  ['26c', 'more than the name', tClaims({ sub: 'spiffe://example.org/team/one/two' }), OTHERS],
  ['26c', 'a neighbour', tClaims({ sub: 'spiffe://example.org/team/two' }), OTHERS],
  ['26c', 'nobody', tClaims({ sub: '' }), TOKEN]
]

const NONCES = [
  ['10', 'no nonce', claims({ nonce: undefined }), NONCE],
  ['10', 'an empty nonce', claims({ nonce: '' }), NONCE],
  ['10', 'a nonce that is null', claims({ nonce: null }), NONCE],
  ['10', 'a nonce that is a number', claims({ nonce: 1 }), NONCE],
  ['10', 'a nonce in a list', claims(c => ({ ...c, nonce: [c.nonce] })), NONCE],
  ['10', 'an invented nonce', claims({ nonce: 'A'.repeat(31) }), NONCE],
  ['10', 'a nonce with a letter changed', claims(c => ({ ...c, nonce: c.nonce.replace(/^./, l => l === 'A' ? 'B' : 'A') })), NONCE],
  ['10', 'a nonce with a letter more', claims(c => ({ ...c, nonce: `${c.nonce}A` })), NONCE],
  ['10', 'a nonce with a letter less', claims(c => ({ ...c, nonce: c.nonce.slice(1) })), NONCE],
  ['10', 'a nonce that has expired', () => claims({ nonce: on.old }), NONCE],
  ['10', 'a nonce in a field', () => ({ ...claims({ nonce: undefined }), headers: { 'dpop-nonce': on.nonce } }), NONCE],
  ['10', 'a nonce in the proof\'s header', () => ({ ...claims({ nonce: undefined }), ...header({ nonce: on.nonce }) }), NONCE],
  ['11', 'a nonce, and an iat that is too old', () => claims({ iat: now() - 120 }), STALE],
  ['16', 'a nonce, and a proof that was used', secondTime(), REPLAYED]
]

group('the proof\'s header', () => on, PROOF_HEADERS)
group('the proof\'s form and signature', () => on, PROOF_FORM)
group('the proof\'s claims', () => on, PROOF_CLAIMS)
group('fields and schemes', () => on, FIELDS)
group('replays', () => on, REPLAYS)
group('the token\'s header, form and signature', () => on, TOKEN_HEADERS)
group('the token\'s claims', () => on, TOKEN_CLAIMS)
group('bound to the certificate', () => certificates, CERTIFICATE)
group('bound to both', () => both, BOTH)
group('a workload by its prefix', () => prefix, PREFIX)

// A nonce lives two seconds here, and each row gets one as a client would.
describe('nonces, required', () => {
  const bare = async () => (await nothingReaches(shard, () => send(on, claims({ nonce: undefined })))).headers['dpop-nonce']
  const fresh = async () => { on.nonce = await bare(); assert.ok(on.nonce) }
  before(async () => {
    w.config.dpop.nonce = 'required'
    w.save()
    assert.ok(await w.reload())
    on.old = await bare()
    await sleep(2100)
  })
  after(() => { delete on.nonce })
  for (const row of [['10', 'the unchanged request is let in, before', {}, PASSES], ...NONCES, ['10', 'and after', {}, PASSES]]) {
    test(`${row[0]}: ${row[1]}`, async () => { await fresh(); await run(on, row) })
  }
})

// The answers are short on purpose; the audit record says which check it was.
test('each was refused for the reason that its rule is about', async () => {
  const records = await until('the records', () => {
    const by = new Map(w.records().map(r => [r.request_id, r]))
    return refusals.every(([id]) => by.has(id)) && by
  })
  const wrong = refusals.map(([id, rule, name]) => [rule, name, records.get(id).error]).filter(([rule, , error]) => !REASONS[rule].includes(error))
  assert.deepEqual(wrong, [])
})

test('there are more than 100 of them', () => {
  const tables = [PROOF_HEADERS, PROOF_FORM, PROOF_CLAIMS, FIELDS, REPLAYS, TOKEN_HEADERS, TOKEN_CLAIMS, CERTIFICATE, BOTH, PREFIX, NONCES]
  assert.ok(tables.flat().filter(row => row[3] !== PASSES).length > 300)
})
