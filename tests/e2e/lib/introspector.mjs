// SPDX-License-Identifier: GPL-3.0-or-later
// An issuer of opaque tokens and its introspection endpoint (RFC 7662): real HTTPS, which knows its callers by secret or by certificate and counts.
import { randomBytes } from 'node:crypto'
import https from 'node:https'
import { port } from './files.mjs'

export class Introspector {
  // `who`: the server's certificate { certPem, keyPem }; `ca`: PEM that vouches for callers. A caller is known by `secret` (client_secret_basic), or by a
  // certificate with this SPIFFE ID, `caller` (tls_client_auth).
  static async start({ iss, who, ca, clientId, secret, caller, prefix = '' }) {
    const self = new Introspector()
    Object.assign(self, { iss, clientId, secret, caller, prefix, tokens: new Map(), calls: [], port: await port(), delay: 0, sockets: new Set() })
    self.tls = { cert: who.certPem, key: who.keyPem, ca, requestCert: true, rejectUnauthorized: false }
    await self.listen()
    return self
  }

  get url() { return `https://127.0.0.1:${this.port}/introspect` }

  async listen() {
    this.server = https.createServer(this.tls, (request, response) => this.serve(request, response))
    this.server.on('connection', s => { this.sockets.add(s); s.on('close', () => this.sockets.delete(s)).on('error', () => {}) })
    await new Promise(resolve => this.server.listen(this.port, '127.0.0.1', resolve))
  }

  async stop() {
    const closed = new Promise(resolve => this.server.close(resolve))
    for (const s of this.sockets) s.destroy()
    await closed
  }

  issue(workload, cnf, claims = {}) {
    const token = this.prefix + randomBytes(24).toString('base64url')
    const now = Math.floor(Date.now() / 1000)
    this.tokens.set(token, {
      active: true, iss: this.iss, sub: workload, client_id: 'opaque', aud: 'sallyport', jti: token, scope: 'vectors.rw', iat: now, exp: now + 300,
      token_type: cnf?.jkt ? 'DPoP' : 'Bearer', cnf, ...claims
    })
    return token
  }

  revoke(token) { this.tokens.set(token, { active: false }) }
  asked(token) { return this.calls.filter(c => c.token === token).length }

  knows(request, form) {
    if (this.secret) {
      const [user, password] = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString().split(':').map(decodeURIComponent)
      return user === this.clientId && password === this.secret
    }
    return request.socket.authorized && form.get('client_id') === this.clientId &&
      (request.socket.getPeerCertificate().subjectaltname ?? '').split(', ').includes(`URI:${this.caller}`)
  }

  async serve(request, response) {
    let body = ''
    for await (const piece of request) body += piece
    const form = new URLSearchParams(body)
    const token = form.get('token')
    this.calls.push({ token, hint: form.get('token_type_hint'), url: request.url, at: Date.now() })
    const known = request.method === 'POST' && this.knows(request, form)
    await new Promise(resolve => setTimeout(resolve, this.delay))
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(known ? this.tokens.get(token) ?? { active: false } : { error: 'invalid_client' }))
  }
}
