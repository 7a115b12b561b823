// SPDX-License-Identifier: GPL-3.0-or-later
// The little of a Kubernetes API server that attestation asks: discovery and keys behind a bearer token, TokenReview, and projected service-account tokens in
// the shape that the kubelet mounts them. Its tokens are signed with RS256, as kubeadm's are.
import { randomBytes, randomUUID } from 'node:crypto'
import https from 'node:https'
import * as jose from 'jose'

const json = (answer, status, value) => {
  const body = JSON.stringify(value)
  answer.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

export class Cluster {
  // `server` is its certificate, for `name`.
  static async start(server, { iss = 'https://kubernetes.default.svc.cluster.local', host = '127.0.0.1', port = 0, name = 'localhost' } = {}) {
    const self = new Cluster()
    Object.assign(self, { iss, bearer: randomBytes(24).toString('hex'), calls: [], deleted: new Set(), audiencesKnown: true })
    await self.rotate()
    self.server = https.createServer({ cert: server.certPem, key: server.keyPem }, (request, answer) => self.serve(request, answer))
    await new Promise(resolve => self.server.listen(port, host, resolve))
    self.url = `https://${name}:${self.server.address().port}`
    return self
  }

  async rotate() {
    const { privateKey, publicKey } = await jose.generateKeyPair('RS256', { extractable: true })
    const jwk = await jose.exportJWK(publicKey)
    jwk.kid = await jose.calculateJwkThumbprint(jwk)
    this.key = { privateKey, kid: jwk.kid }
    this.keys = [{ ...jwk, alg: 'RS256', use: 'sig' }]
    return jwk.kid
  }

  // `pod: null`: bound to no pod.
  token({ namespace = 'rag', account = 'search', pod = {}, audience = 'sallyport', ttl = 3600, issued = Math.floor(Date.now() / 1000), claims = {}, key = this.key } = {}) {
    const bound = pod && { name: `${account}-7d4b9c-x2x`, uid: randomUUID(), ...pod }
    return new jose.SignJWT({
      jti: randomUUID(), nbf: issued,
      'kubernetes.io': {
        namespace, node: { name: 'node-a', uid: randomUUID() }, ...(bound && { pod: bound }),
        serviceaccount: { name: account, uid: randomUUID() }, warnafter: issued + 3607
      },
      ...claims
    }).setProtectedHeader({ alg: 'RS256', kid: key.kid }).setIssuer(this.iss).setAudience([audience].flat())
      .setSubject(claims.sub ?? `system:serviceaccount:${namespace}:${account}`).setIssuedAt(issued).setExpirationTime(issued + ttl).sign(key.privateKey)
  }

  async serve(request, answer) {
    this.calls.push(`${request.method} ${request.url}`)
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    if (this.down) return request.socket.destroy()
    if (request.headers.authorization !== `Bearer ${this.bearer}`) return json(answer, 401, { kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 })
    if (request.url === '/.well-known/openid-configuration') return json(answer, 200, { issuer: this.iss, jwks_uri: `${this.url}/openid/v1/jwks`, response_types_supported: ['id_token'] })
    if (request.url === '/openid/v1/jwks') return json(answer, 200, { keys: this.keys })
    if (request.method === 'POST' && request.url === '/apis/authentication.k8s.io/v1/tokenreviews') return json(answer, 201, await this.review(JSON.parse(Buffer.concat(chunks))))
    json(answer, 404, { kind: 'Status', code: 404 })
  }

  async review({ apiVersion, kind, spec }) {
    const failed = error => ({ kind, apiVersion, metadata: {}, spec, status: { user: {}, error } })
    try {
      const { payload } = await jose.jwtVerify(spec.token, jose.createLocalJWKSet({ keys: this.keys }), { issuer: this.iss, audience: spec.audiences })
      const k = payload['kubernetes.io']
      if (k.pod && this.deleted.has(k.pod.uid)) return failed('pod is gone')
      const extra = k.pod && { 'authentication.kubernetes.io/pod-name': [k.pod.name], 'authentication.kubernetes.io/pod-uid': [k.pod.uid] }
      return {
        kind, apiVersion, metadata: {}, spec,
        status: {
          authenticated: true,
          user: { username: payload.sub, uid: k.serviceaccount.uid, groups: ['system:serviceaccounts', `system:serviceaccounts:${k.namespace}`, 'system:authenticated'], ...(extra && { extra }) },
          ...(this.audiencesKnown && { audiences: spec.audiences.filter(a => payload.aud.includes(a)) })
        }
      }
    } catch (error) {
      return failed(error.message)
    }
  }

  stop() { this.server.closeAllConnections(); this.server.close() }
}
