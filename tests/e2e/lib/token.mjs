// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens by npm's `jose`, proofs by npm's `dpop`: nothing here comes from the gateway's own code.
import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import * as dpop from 'dpop'
import * as jose from 'jose'

export class Issuer {
  static async make(jwks, { iss = 'https://issuer.example', audience = 'sallyport', alg = 'ES256' } = {}) {
    const self = new Issuer()
    Object.assign(self, { jwks, iss, audience, alg, keys: [] })
    await self.rotate()
    return self
  }

  // A new signing key; those before it stay in the set until `forget`.
  async rotate() {
    const { privateKey, publicKey } = await jose.generateKeyPair(this.alg, { extractable: true })
    const jwk = await jose.exportJWK(publicKey)
    jwk.kid = await jose.calculateJwkThumbprint(jwk)
    Object.assign(jwk, { alg: this.alg, use: 'sig' })
    this.keys.push({ privateKey, jwk })
    this.publish()
    return jwk.kid
  }

  forget(kid) {
    this.keys = this.keys.filter(k => k.jwk.kid !== kid)
    this.publish()
  }

  publish() {
    fs.writeFileSync(`${this.jwks}.new`, JSON.stringify({ keys: this.keys.map(k => k.jwk) }, null, 2))
    fs.renameSync(`${this.jwks}.new`, this.jwks)
  }

  // An access token (RFC 9068). `cnf` says what it is bound to: see bindings.
  mint({ workload, cnf, scope = 'vectors.rw', ttl = 300, issued = Math.floor(Date.now() / 1000), claims = {}, header = {}, key = this.keys.at(-1) }) {
    return new jose.SignJWT({ client_id: 'test', jti: randomUUID(), scope, ...(cnf && { cnf }), ...claims })
      .setProtectedHeader({ alg: this.alg, typ: 'at+jwt', kid: key.jwk.kid, ...header })
      .setIssuer(this.iss).setAudience(this.audience).setSubject(workload).setIssuedAt(issued).setExpirationTime(issued + ttl)
      .sign(key.privateKey)
  }
}

export const newProofKey = (alg = 'ES256') => dpop.generateKeyPair(alg, { extractable: true })

export const boundToKey = async keys => ({ jkt: await dpop.calculateThumbprint(keys.publicKey) })

export const boundToCertificate = pem => ({ 'x5t#S256': createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url') })

// The proof that a well-behaved client makes. htu is without query and fragment (RFC 9449 §4.2).
export const prove = (keys, { url, method, token, nonce }) => dpop.generateProof(keys, url.split(/[?#]/)[0], method, nonce, token)

// A proof that is wrong in what it is told to be wrong in; `dpop` makes only right ones.
export async function forge(keys, { url, method, token, claims = {}, header = {} }) {
  return new jose.SignJWT({
    iat: Math.floor(Date.now() / 1000), jti: randomUUID(), htm: method, htu: url,
    ...(token && { ath: createHash('sha256').update(token).digest('base64url') }), ...claims
  }).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await jose.exportJWK(keys.publicKey), ...header }).sign(keys.privateKey)
}
