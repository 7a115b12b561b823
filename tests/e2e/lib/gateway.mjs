// SPDX-License-Identifier: GPL-3.0-or-later
// The real gateway process, and the world it serves: a CA, an issuer, policies, shards.
import fs from 'node:fs'
import path from 'node:path'
import { Authority } from './ca.mjs'
import { Client, plain } from './client.mjs'
import { port, replace, sallyport, temporary, until } from './files.mjs'
import { start } from './program.mjs'
import { boundToKey, Issuer, newProofKey } from './token.mjs'

// The bare word, where a quoted text would be a name.
export const NONE = Symbol('none')

// YAML in block style, so that errors have lines of their own. A text is quoted; that is JSON, and so YAML.
export function yaml(value, indent = '') {
  if (value === NONE) return ' none\n'
  if (Array.isArray(value) && value.every(v => typeof v !== 'object')) return ` [${value.map(v => JSON.stringify(v)).join(', ')}]\n`
  if (Array.isArray(value)) return '\n' + value.map(v => `${indent}  -${yaml(v, `${indent}    `).replace(/^\n\s*/, ' ')}`).join('')
  if (typeof value !== 'object') return ` ${JSON.stringify(value)}\n`
  return '\n' + Object.entries(value).filter(([, v]) => v !== undefined).map(([k, v]) => `${indent}${k}:${yaml(v, `${indent}  `)}`).join('')
}

// Objects are merged, everything else replaces.
export function merge(base, change) {
  if (change === undefined) return base
  if (!isMap(base) || !isMap(change)) return change
  const out = { ...base }
  for (const [k, v] of Object.entries(change)) out[k] = merge(base[k], v)
  return out
}

const isMap = v => typeof v === 'object' && v !== null && !Array.isArray(v)

export const SCOPES = { 'vectors.rw': ['readonly', 'readwrite', 'admin'], 'vectors.read': ['readonly'] }

// `permit` for everybody and everything; files that are about policy bring their own.
export const OPEN = '@id("everything")\npermit (principal, action, resource);\n'

// A gateway with what it needs. `shards` and `routes` are as in the configuration; `change` is merged over it.
export class World {
  static async make(name, { shards, routes, policies = OPEN, entities, change, trustDomain = 'example.org', loops = 2 }) {
    const w = new World()
    w.folder = temporary(name)
    w.at = file => path.join(w.folder, file)
    w.ca = new Authority(w.folder, trustDomain)
    w.server = w.ca.issue('gateway', { dns: ['localhost'] })
    w.issuer = await Issuer.make(w.at('jwks.json'))
    fs.writeFileSync(w.at('policy.cedar'), policies)
    if (entities) fs.writeFileSync(w.at('entities.json'), JSON.stringify(entities))
    w.port = await port()
    w.operations = await port()
    w.bundle = w.ca.bundlePem
    w.audit = w.at('audit.jsonl')
    w.config = merge({
      listener: {
        addresses: [`127.0.0.1:${w.port}`],
        authorities: [`localhost:${w.port}`],
        tls: { certificate: w.server.cert, key: w.server.key }
      },
      trust_domains: [{ name: trustDomain, bundle: w.ca.bundle }],
      issuers: [{
        name: 'test', issuer: w.issuer.iss, jwks: w.issuer.jwks, audiences: [w.issuer.audience], binding: 'dpop', scopes: SCOPES,
        asserts: { trust_domains: [trustDomain] }
      }],
      dpop: { replay: { capacity: 65536, share_percent: 100 } },
      policy: { files: [w.at('policy.cedar')], ...(entities && { entities: w.at('entities.json') }) },
      shards,
      routes,
      audit: { file: w.audit, interval: '10ms' },
      operations: { listen: `127.0.0.1:${w.operations}` },
      log: { level: 'debug' },
      loops
    }, change)
    w.file = w.at('gateway.yaml')
    w.save()
    return w
  }

  // Shards that tests play count what they are asked: they are only asked whether they are ready, and how they take filters, where a test
  // says so.
  save(config = this.config, file = this.file) {
    const shards = config.shards?.map(s => ({ health: { interval: '0s' }, filter_checks: false, ...s }))
    replace(file, yaml({ ...config, ...(shards && { shards }) }).trimStart())
  }

  async start({ wrap = [], environment = {} } = {}) {
    const [program, ...args] = [...wrap, sallyport, 'run', '--config', this.file]
    this.process = start('gateway', program, args, { env: { ...process.env, ...environment } })
    await until('the gateway', async () => {
      if (this.process.over) throw new Error(`the gateway ended (${this.process.code ?? this.process.signal}):\n${this.process.log}`)
      return plain(this.operations, '/healthz').then(r => r.status === 200 && /listening on/.test(this.process.log), () => false)
    }, 20000)
    // A proof counts whole seconds: one made in the second of the start cannot be told from one made before it.
    const second = Math.floor(Date.now() / 1000)
    await until('the next second', () => Math.floor(Date.now() / 1000) > second)
    return this
  }

  // A gateway that a test did not kill ends with 0, or a sanitizer has something to say.
  async stop() {
    for (const c of this.clients ?? []) c.close()
    const ended = await this.process?.stop(30000)
    if (ended && ended.code !== 0) throw new Error(`the gateway ended with ${ended.code ?? ended.signal}:\n${ended.log.slice(-8000)}`)
  }

  // A workload with certificate, key pair, token.
  async workload(name, { mint = {}, ...options } = {}) {
    const who = options.who ?? this.ca.issue(name)
    const keys = options.keys ?? await newProofKey()
    const token = options.token ?? await this.issuer.mint({ workload: who.id, cnf: await boundToKey(keys), ...mint })
    const client = new Client(this, who, { token, keys, ...options })
    ;(this.clients ??= []).push(client)
    return client
  }

  // Sends SIGHUP, or lets the watcher find what changed, and waits until it was read; true if it is in force.
  async reload({ signal = true } = {}) {
    const before = await this.metrics()
    if (signal) this.process.kill('SIGHUP')
    const count = m => m['sallyport_reloads_total{result="ok"}'] + m['sallyport_reloads_total{result="refused"}']
    const after = await until('the reload', async () => {
      const m = await this.metrics()
      return count(m) > count(before) && m
    })
    return after['sallyport_reloads_total{result="ok"}'] > before['sallyport_reloads_total{result="ok"}']
  }

  async metrics() {
    const answer = await plain(this.operations, '/metrics')
    return Object.fromEntries(answer.text.split('\n').filter(l => l && !l.startsWith('#')).map(l => [l.slice(0, l.lastIndexOf(' ')), Number(l.slice(l.lastIndexOf(' ') + 1))]))
  }

  // Audit records so far, without the lines of the chain itself.
  records() {
    const text = fs.existsSync(this.audit) ? fs.readFileSync(this.audit, 'utf8') : ''
    // Behind the last newline there may be half a record.
    return text.split('\n').slice(0, -1).filter(Boolean).map(line => JSON.parse(line)).filter(r => r.kind !== 'chain' && r.kind !== 'checkpoint')
  }

  // The record of the request with this id; it may take an interval of the writer.
  record(id, kind = 'request') {
    return until(`the ${kind} record of ${id}`, () => this.records().find(r => r.request_id === id && r.kind === kind))
  }
}
