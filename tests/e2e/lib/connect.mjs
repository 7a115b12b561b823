// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport connect` as applications meet it, and the token service that it asks: an authority in a process of its own.
import fs from 'node:fs'
import http from 'node:http'
import { plain } from './client.mjs'
import { port, replace, sallyport, until } from './files.mjs'
import { merge, SCOPES, World, yaml } from './gateway.mjs'
import { start } from './program.mjs'

const ISSUE = 'permit (principal, action == Action::"token:issue", resource);\n'

// An authority beside the gateway `w`, which takes its tokens from now on. Not started.
export async function authorityOf(w, { change, binding = 'either', issue = ISSUE } = {}) {
  const a = Object.assign(new World(), { folder: w.folder, at: w.at, ca: w.ca, bundle: w.bundle, port: await port(), operations: await port() })
  a.server = w.ca.issue('authority', { dns: ['localhost'] })
  a.issuer = `https://localhost:${a.port}`
  a.audit = w.at('authority.audit.jsonl')
  a.file = w.at('authority.yaml')
  fs.mkdirSync(w.at('state'), { mode: 0o700 })
  fs.writeFileSync(w.at('passphrase'), 'a long passphrase of the test\n', { mode: 0o600 })
  fs.writeFileSync(w.at('issue.cedar'), issue)
  a.config = merge({
    trust_domains: w.config.trust_domains,
    authority: {
      issuer: a.issuer, addresses: [`127.0.0.1:${a.port}`], tls: { certificate: a.server.cert, key: a.server.key }, state: w.at('state'),
      signing: { passphrase_file: w.at('passphrase') }, audiences: ['sallyport'], policy: { files: [w.at('issue.cedar')] }
    },
    audit: { file: a.audit, interval: '10ms' },
    operations: { listen: `127.0.0.1:${a.operations}` }
  }, change)
  w.config.issuers.push({
    name: 'authority', issuer: a.issuer, jwks_url: `${a.issuer}/oauth2/jwks`,
    fetch: { tls: { ca: w.ca.bundle, spiffe_id: a.server.id, certificate: w.server.cert, key: w.server.key } },
    audiences: ['sallyport'], binding, claims: { workload: 'workload' }, scopes: { ...SCOPES }, asserts: { trust_domains: ['example.org'] }
  })
  w.save()
  a.save()
  return a
}

// Another gateway like `w`, on ports of its own, of another identity. Not started.
export async function siblingOf(w, name) {
  const g = Object.assign(new World(), w, { clients: [], process: undefined, port: await port(), operations: await port() })
  g.server = w.ca.issue(name, { dns: ['localhost'] })
  g.audit = w.at(`${name}.audit.jsonl`)
  g.file = w.at(`${name}.yaml`)
  g.config = merge(structuredClone(w.config), {
    listener: { addresses: [`127.0.0.1:${g.port}`], authorities: [`localhost:${g.port}`], tls: { certificate: g.server.cert, key: g.server.key } },
    audit: { file: g.audit },
    operations: { listen: `127.0.0.1:${g.operations}` }
  })
  g.save()
  return g
}

export class Connect {
  // For the workload `who`, to the gateways `gateways` (Worlds), with tokens of `authority`; `change` is merged over it.
  static async make(name, { who, gateways, authority, change }) {
    const w = gateways[0]
    const c = Object.assign(new Connect(), { name, who, w, port: await port(), operations: await port() })
    c.config = merge({
      connect: {
        listen: [`127.0.0.1:${c.port}`],
        certificate: who.cert,
        key: who.key,
        ca: w.ca.bundle,
        gateways: gateways.map(g => ({ url: `https://localhost:${g.port}`, spiffe_id: g.server.id })),
        token: authority && { endpoint: { url: `${authority.issuer}/oauth2/token`, spiffe_id: authority.server.id, scope: 'vectors.rw' } }
      },
      operations: { listen: `127.0.0.1:${c.operations}` },
      log: { level: 'debug' }
    }, change)
    c.file = w.at(`connect-${name}.yaml`)
    c.save()
    return c
  }

  static async start(name, options) {
    const c = await Connect.make(name, options)
    return c.start(options)
  }

  save() { replace(this.file, yaml(this.config).trimStart()) }

  get url() { return `http://127.0.0.1:${this.port}` }

  get log() { return this.process.log }

  async start({ ready = true, environment = {}, wrap = [] } = {}) {
    const [program, ...args] = [...wrap, sallyport, 'connect', '--config', this.file]
    this.process = start(`connect ${this.name}`, program, args, { env: { ...process.env, KUBERNETES_SERVICE_HOST: undefined, ...environment } })
    await until(`connect ${this.name}`, async () => {
      if (this.process.over) throw new Error(`connect ended (${this.process.code ?? this.process.signal}):\n${this.log}`)
      return plain(this.operations, ready ? '/readyz' : '/healthz').then(r => r.status === 200, () => false)
    }, 20000)
    return this
  }

  async stop() {
    this.agent?.destroy()
    const ended = await this.process?.stop(30000)
    if (ended && ended.code !== 0) throw new Error(`connect ended with ${ended.code ?? ended.signal}:\n${ended.log.slice(-8000)}`)
  }

  // Resolves to { status, headers, text, json }.
  request(method, path, { body, headers = {}, socketPath, agent = (this.agent ??= new http.Agent({ keepAlive: true })), timeout = 30000, onResponse } = {}) {
    const all = { host: `localhost:${this.port}`, ...headers }
    if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body) && !body.pipe) {
      body = JSON.stringify(body)
      all['content-type'] ??= 'application/json'
    }
    if (typeof body === 'string') body = Buffer.from(body)
    if (Buffer.isBuffer(body)) all['content-length'] ??= body.length
    const at = socketPath ? { socketPath } : { host: '127.0.0.1', port: this.port }
    return new Promise((resolve, reject) => {
      const request = http.request({ ...at, agent: socketPath ? undefined : agent, method, path, headers: all, timeout }, async response => {
        if (onResponse) return resolve(onResponse(response, request))
        const pieces = []
        try {
          for await (const piece of response) pieces.push(piece)
        } catch (error) {
          return reject(error)
        }
        const text = Buffer.concat(pieces).toString()
        resolve({ status: response.statusCode, headers: response.headers, text, get json() { return JSON.parse(text) } })
      })
      request.on('error', reject).on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path} in ${timeout} ms`)))
      if (body?.pipe) body.pipe(request)
      else request.end(body)
    })
  }

  get(path, options) { return this.request('GET', path, options) }
  post(path, body, options) { return this.request('POST', path, { body, ...options }) }
}
