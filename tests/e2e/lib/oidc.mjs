// SPDX-License-Identifier: GPL-3.0-or-later
// A real identity provider: npm's `oidc-provider`, in two major versions, over HTTPS with client certificates. It gives out JWTs bound to a DPoP
// key (a nonce demanded first) or to a certificate, and opaque tokens that it answers for; its signing keys rotate while it runs.
import https from 'node:https'
import * as dpop from 'dpop'
import * as jose from 'jose'

export const VERSIONS = ['8', '9']

export const RESOURCES = { jwt: 'urn:vectors:jwt', opaque: 'urn:vectors:opaque' }

const basic = (id, secret) => `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`

export class IdentityProvider {
  // `server` is its certificate (lib/ca.mjs), for localhost; `ca` the PEM that vouches for it; `clients` as oidc-provider has them.
  static async start(version, { server, ca, clients, audience = 'sallyport', ttl = 300 }) {
    const self = new IdentityProvider()
    // It writes warnings about its defaults while it is loaded and set up, which are nobody's here.
    const { default: Provider } = await quietly(() => import(`oidc-provider-${version}`))
    Object.assign(self, { Provider, version, ca, clients, audience, ttl, keys: [], calls: [] })
    self.server = https.createServer({ cert: server.certPem, key: server.keyPem, requestCert: true, rejectUnauthorized: false }, (request, answer) => {
      self.calls.push(request.url.split('?')[0])
      self.handle(request, answer)
    })
    await new Promise(resolve => self.server.listen(0, '127.0.0.1', resolve))
    self.issuer = `https://localhost:${self.server.address().port}`
    await self.rotate()
    return self
  }

  // A new key signs from now on; with `overlap` the old ones stay published. The provider is made anew, as a restart with another configuration does.
  async rotate({ overlap = true } = {}) {
    const { privateKey } = await jose.generateKeyPair('ES256', { extractable: true })
    const kid = `key-${this.keys.length + 1}`
    this.keys.unshift({ ...await jose.exportJWK(privateKey), kid, alg: 'ES256', use: 'sig' })
    if (!overlap) this.keys.length = 1
    this.provider = await quietly(() => new this.Provider(this.issuer, this.configuration()))
    this.handle = this.provider.callback()
    return kid
  }

  configuration() {
    return {
      adapter: this.adapter ??= memory(),
      jwks: { keys: this.keys },
      clients: this.clients.map(client => ({ grant_types: ['client_credentials'], redirect_uris: [], response_types: [], ...client })),
      clientAuthMethods: ['client_secret_basic', 'tls_client_auth'],
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      cookies: { keys: ['no browser comes here'] },
      scopes: ['vectors.rw', 'vectors.read'],
      ttl: { ClientCredentials: this.ttl },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true, allowedPolicy: () => true },
        dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
        mTLS: {
          enabled: true, certificateBoundAccessTokens: true, tlsClientAuth: true,
          getCertificate: ctx => ctx.req.socket.getPeerX509Certificate(),
          certificateAuthorized: () => true,
          certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_uri' &&
            (ctx.req.socket.getPeerX509Certificate()?.subjectAltName ?? '').split(', ').includes(`URI:${expected}`)
        },
        resourceIndicators: {
          enabled: true, defaultResource: () => RESOURCES.jwt, useGrantedResource: () => true,
          getResourceServerInfo: (ctx, resource) => ({
            scope: 'vectors.rw vectors.read', audience: this.audience, accessTokenTTL: this.ttl,
            accessTokenFormat: resource === RESOURCES.opaque ? 'opaque' : 'jwt', jwt: { sign: { alg: 'ES256' } }
          })
        }
      }
    }
  }

  post(path, form, { headers = {}, who } = {}) {
    return new Promise((resolve, reject) => {
      const request = https.request(this.issuer + path, {
        method: 'POST', agent: false, ca: this.ca, cert: who?.certPem, key: who?.keyPem,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }
      }, async answer => {
        let text = ''
        for await (const piece of answer) text += piece
        resolve({ status: answer.statusCode, headers: answer.headers, text, get json() { return JSON.parse(text) } })
      })
      request.on('error', reject).end(new URLSearchParams(form).toString())
    })
  }

  // An access token by client credentials: with `keys` bound to them, for a client with `secret`; else to the certificate of `who`.
  async token({ id, secret, keys, who, resource = RESOURCES.jwt, scope = 'vectors.rw' }) {
    const form = { grant_type: 'client_credentials', scope, resource, ...(!secret && { client_id: id }) }
    const ask = async nonce => this.post('/token', form, {
      who,
      headers: { ...(secret && { authorization: basic(id, secret) }), ...(keys && { dpop: await dpop.generateProof(keys, `${this.issuer}/token`, 'POST', nonce) }) }
    })
    let answer = await ask()
    if (answer.status === 400 && answer.json.error === 'use_dpop_nonce') answer = await ask(answer.headers['dpop-nonce'])
    if (answer.status !== 200) throw new Error(`oidc-provider ${this.version}: ${answer.status} ${answer.text}`)
    return answer.json.access_token
  }

  async revoke(token, { id, secret, who }) {
    const answer = await this.post('/token/revocation', { token, ...(!secret && { client_id: id }) }, { who, headers: secret ? { authorization: basic(id, secret) } : {} })
    if (answer.status !== 200) throw new Error(`oidc-provider ${this.version}: ${answer.status} ${answer.text}`)
  }

  count(path) { return this.calls.filter(called => called === path).length }

  async stop() {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }
}

// What a rotation must not forget: opaque tokens.
function memory() {
  const kept = new Map()
  return class {
    constructor(model) { this.model = model }
    key(id) { return `${this.model}:${id}` }
    async upsert(id, payload) { kept.set(this.key(id), payload) }
    async find(id) { return kept.get(this.key(id)) }
    async destroy(id) { kept.delete(this.key(id)) }
    async consume(id) { kept.get(this.key(id)).consumed = Math.floor(Date.now() / 1000) }
    async findByUid() {}
    async findByUserCode() {}
    async revokeByGrantId() {}
  }
}

async function quietly(make) {
  const { info, warn } = console
  console.info = console.warn = () => {}
  try {
    return await make()
  } finally {
    Object.assign(console, { info, warn })
  }
}
