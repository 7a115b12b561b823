// SPDX-License-Identifier: GPL-3.0-or-later
// Requests that are right in everything but what they are told: a token and a proof, each as three segments made from text, since a JWS
// library makes only right ones. Signatures are OpenSSL's, by way of node.
import crypto from 'node:crypto'

export const b64 = value => Buffer.from(value).toString('base64url')
export const text = value => typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)
export const now = () => Math.floor(Date.now() / 1000)
export const sha256 = value => crypto.createHash('sha256').update(value).digest('base64url')

export const newKey = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const jwkOf = pair => pair.publicKey.export({ format: 'jwk' })
export function thumbprint(jwk) {
  const names = { EC: ['crv', 'kty', 'x', 'y'], OKP: ['crv', 'kty', 'x'], RSA: ['e', 'kty', 'n'] }[jwk.kty]
  return sha256(JSON.stringify(Object.fromEntries(names.map(n => [n, jwk[n]]))))
}

// How each algorithm signs.
const signers = {
  ES256: (input, key) => crypto.sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' }),
  ES384: (input, key) => crypto.sign('sha384', input, { key, dsaEncoding: 'ieee-p1363' }),
  DER: (input, key) => crypto.sign('sha256', input, { key, dsaEncoding: 'der' }),
  EdDSA: (input, key) => crypto.sign(null, input, key),
  RS256: (input, key) => crypto.sign('sha256', input, key),
  HS256: (input, key) => crypto.createHmac('sha256', key).update(input).digest()
}

export function jws(header, payload, key, alg = 'ES256') {
  const input = `${b64(text(header))}.${b64(text(payload))}`
  return `${input}.${signers[alg](Buffer.from(input), key).toString('base64url')}`
}

// A change is members to merge (undefined removes one), or a function from the right thing to the wrong one, which may be text.
const apply = (right, change) => typeof change === 'function' ? change(right) : { ...right, ...change }

// `on` is what the request would be: { issuer: {iss, kid, key}, workload, cnf, keys, origin, method, path }. `row` may have
//   tokenHeader, tokenClaims, proofHeader, proofClaims: a change; tokenKey/proofKey, tokenAlg/proofAlg: signed so instead;
//   token, proof: from the compact text to another (proof is told the token as well); fields: from { authorization, dpop } to what is sent.
// The proof's ath is always that of the token that is sent.
export function crooked(on, row) {
  const at = now()
  const tokenHeader = apply({ alg: 'ES256', typ: 'at+jwt', kid: on.issuer.kid }, row.tokenHeader)
  const tokenClaims = apply({ iss: on.issuer.iss, aud: 'sallyport', sub: on.workload, client_id: 'test', jti: crypto.randomUUID(), iat: at, exp: at + 300,
    scope: 'vectors.rw', cnf: on.cnf }, row.tokenClaims)
  let token = jws(tokenHeader, tokenClaims, row.tokenKey ?? on.issuer.key, row.tokenAlg)
  if (row.token) token = row.token(token)
  const proofHeader = apply({ typ: 'dpop+jwt', alg: 'ES256', jwk: jwkOf(on.keys) }, row.proofHeader)
  const proofClaims = apply({ jti: crypto.randomUUID(), htm: on.method, htu: on.origin + on.path, iat: at, ath: sha256(token), ...(on.nonce && { nonce: on.nonce }) }, row.proofClaims)
  let proof = jws(proofHeader, proofClaims, row.proofKey ?? on.keys.privateKey, row.proofAlg)
  if (row.proof) proof = row.proof(proof, token)
  const fields = { authorization: `${on.scheme ?? 'DPoP'} ${token}`, dpop: on.noProof ? undefined : proof }
  return row.fields ? { ...fields, ...row.fields(fields) } : fields
}

// ---- the parts of a compact JWS, bent

const parts = compact => compact.split('.')
export const segment = (n, change) => compact => parts(compact).map((s, i) => i === n ? change(s) : s).join('.')
export const signature = change => segment(2, s => b64(change(Buffer.from(s, 'base64url'))))
// The header or payload again as it is, the text changed; the signature is then of the old text.
export const unsigned = (n, change) => segment(n, s => b64(change(Buffer.from(s, 'base64url').toString())))
// The last character holds bits that are not part of the value: another spelling of the same octets.
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
export const stray = s => s.slice(0, -1) + alphabet[alphabet.indexOf(s.at(-1)) | 1]
export const strayBits = segment(2, stray)
// P-256's order; (r, n - s) is as good a signature as (r, s).
export const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const octets = value => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const number = bytes => BigInt(`0x${bytes.toString('hex')}`)
export const rs = change => signature(bytes => Buffer.concat(change(number(bytes.subarray(0, 32)), number(bytes.subarray(32))).map(octets)))
