// SPDX-License-Identifier: GPL-3.0-or-later
// docs/operations.md, as an operator would follow it: each runbook is a test, which breaks what the runbook is about and then runs the page's commands.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import { after, describe, test } from 'node:test'
import { plain } from './lib/client.mjs'
import { authorityOf } from './lib/connect.mjs'
import { port, replace, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { close, Page } from './lib/page.mjs'
import { command, dumpLogs, must, stopAll } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

process.setMaxListeners(50) // each folder and each program is cleared away when this one ends
const page = new Page('docs/operations.md')
const worlds = []
const others = []

after(async () => {
  close(page)
  dumpLogs(...worlds.map(w => w.process))
  await stopAll(...worlds, ...others)
})

const RAG = `@id("search-reads")
permit (principal == Workload::"spiffe://example.org/search", action in Action::"readonly", resource);

@id("ingest-writes")
permit (principal == Workload::"spiffe://example.org/ingest", action in [Action::"readonly", Action::"readwrite"], resource);
`

// A gateway in a folder as the page has it, and the page's section in that folder.
async function open(title, { shard = {}, change, names = {} } = {}) {
  const one = await Upstream.start()
  others.push(one)
  const w = await World.make('runbook', { shards: [{ name: 'one', api: 'qdrant', endpoints: [one.url], ...shard }], routes: [{ shard: 'one' }] })
  worlds.push(w)
  fs.symlinkSync('ca-example.org', w.at('ca'))
  fs.symlinkSync('example.org-gateway', w.at('gateway'))
  const run = page.open(title, w.folder, { 8443: w.port, 9901: w.operations, 6333: one.port, ...names })
  fs.mkdirSync(w.at('policies'))
  fs.writeFileSync(w.at('policies/rag.cedar'), RAG)
  fs.copyFileSync(w.ca.bundle, w.at('bundle.pem'))
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  command('token', 'keygen', '--out', w.at('issuer/'), '--no-passphrase')
  for (const name of ['search', 'ingest']) workload(w, name)
  Object.assign(w.config, {
    trust_domains: [{ name: 'example.org', bundle: 'bundle.pem', crls: ['crl.pem'] }],
    issuers: [{ name: 'ours', issuer: 'https://issuer.example', jwks: 'issuer/jwks.json', audiences: ['sallyport'], binding: 'dpop', scopes: SCOPES, asserts: { trust_domains: ['example.org'] } }],
    policy: { files: ['policies'] },
    revocations: { store: 'revoked.db' },
    log: { level: 'info' }
  })
  Object.assign(w.config, change)
  Object.assign(w.config.audit, { file: 'audit.jsonl', sync: 'request' })
  return { w, one, run }
}

function workload(w, name) {
  command('ca', 'issue', '--dir', w.at('ca'), '--spiffe-id', w.ca.id(name), '--out', w.at(name))
  command('token', 'keygen', '--out', w.at(`${name}/dpop.pem`), '--no-passphrase')
  fs.writeFileSync(w.at(`${name}/token`), command('token', 'mint', '--key', w.at('issuer/key.pem'), '--issuer', 'https://issuer.example', '--audience', 'sallyport',
    '--workload', w.ca.id(name), '--scope', 'vectors.rw', '--ttl', '1h', '--dpop-key', w.at(`${name}/dpop.pem`)))
}

const begin = async w => { w.save(); await w.start() }
const ALLOWED = /"status":"ok"/
const REFUSED = /"code":/

// Key sets over plain HTTP, of this machine only.
async function provider(w) {
  const self = { port: await port() }
  self.start = () => new Promise(resolve => {
    self.server = http.createServer((request, answer) => answer.setHeader('content-type', 'application/json').end(fs.readFileSync(w.at('issuer/jwks.json'))))
    self.server.listen(self.port, '127.0.0.1', resolve)
  })
  self.stop = async () => {
    self.server.closeAllConnections()
    self.server.close()
  }
  await self.start()
  others.push(self)
  return self
}

// Most of their time is waiting for something to become stale: several go on at once.
describe('the runbooks of docs/operations.md', { concurrency: 4 }, () => {
  test('Rotate the CA', async () => {
    const { w, run } = await open('Rotate the CA')
    await begin(w)
    await run.run(5)
    await run.log(w.process)
    await run.next()
    await run.until(ALLOWED)
    const before = (await w.metrics()).sallyport_configuration_generation
    await run.next()
    await until('the new certificate', async () => (await w.metrics()).sallyport_configuration_generation > before)
    await run.run(3)
    await run.until(/refused our certificate/)
    await run.run(2)
    run.end()
  })

  test('Revoke a workload', async () => {
    const { w, run } = await open('Revoke a workload')
    await begin(w)
    await run.sh('ask ingest $docs; ask ingest $docs')
    await run.next()
    await run.until(/certificate_revoked/)
    await run.sh('ask ingest $docs') // the one before may have been permitted already when the revocation came
    await run.run(4)
    await run.until(/refused our certificate/)
    await run.run(4)
    await run.until(ALLOWED)
    run.end()
  })

  test('A key leaked', async () => {
    const { w, run } = await open('A key leaked')
    await begin(w)
    await run.sh('ask search $docs; ask search $docs; ask ingest $docs')
    await run.run(3)
    await run.until(/token_revoked/)
    await run.run(4)
    await run.until(/refused our certificate/)
    await run.run(2)
    await run.until(ALLOWED)
    run.end()
  })

  test('Identity provider down', async () => {
    const { w, run } = await open('Identity provider down')
    const idp = await provider(w)
    w.config.issuers[0] = { ...w.config.issuers[0], name: 'corporate', jwks: undefined, jwks_url: `http://127.0.0.1:${idp.port}/jwks`, fetch: { refresh: '1s' }, max_stale: '10s' }
    await begin(w)
    await until('keys', () => /keys fetched/.test(w.process.log))
    await idp.stop()
    await run.log(w.process)
    await run.next()
    await run.until(ALLOWED)
    await run.until(/corporate/)
    await run.next()
    await run.next()
    await run.until(ALLOWED)
    await run.until(/^ready/)
    w.process.log = ''
    await idp.start()
    await run.log(w.process)
    run.end()
  })

  test('Authority down', async () => {
    const { w, run } = await open('Authority down')
    const a = await authorityOf(w)
    a.config.authority.feed = true
    a.config.authority.followers = ['spiffe://example.org/gateway']
    a.config.revocations = { store: 'revoked.db' }
    w.config.revocations = { feed: { url: `${a.issuer}/revocations`, issuer: 'authority', max_stale: '6s', tls: { ca: 'bundle.pem', spiffe_id: a.server.id, certificate: w.server.cert, key: w.server.key } } }
    worlds.push(a)
    a.save()
    await a.start()
    await begin(w)
    await until('the feed', async () => (await plain(w.operations, '/readyz')).status === 200)
    await a.stop()
    await run.log(w.process)
    await run.next()
    await run.until(ALLOWED)
    await run.until(/max_stale/)
    await run.until(REFUSED)
    await run.run(2)
    await run.until(ALLOWED)
    await run.until(ALLOWED)
    await a.start()
    await run.log(w.process)
    await until('the revocation', async () => /revoked/.test(await run.sh('ask ingest $docs')))
    run.end()
  })

  test('Replay store full', async () => {
    const { w, run } = await open('Replay store full', { change: { dpop: { replay: { capacity: 1024, share_percent: 10 } } } })
    await begin(w)
    for (let i = 0; i < 6; i++) await run.sh('for i in $(seq 20); do ask ingest $docs >> flood & done; wait')
    await until('refusals', async () => /overloaded/.test(await run.sh('ask ingest $docs')))
    await run.log(w.process)
    await run.run(6)
    await run.log(w.process)
    await w.process.stop()
    await w.start()
    await run.next()
    run.end()
  })

  test('Shard down', async () => {
    const { w, one, run } = await open('Shard down', { shard: { health: { interval: '1s' } } })
    await begin(w)
    await one.stop()
    await run.log(w.process)
    await run.run(5)
    others.push(await Upstream.start({ port: one.port }))
    await run.until(ALLOWED)
    await run.log(w.process)
    run.end()
  })

  test('Disk full', async t => {
    const { w, run } = await open('Disk full')
    fs.mkdirSync(w.at('disk'))
    if (process.getuid() !== 0 || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', w.at('disk')]).status !== 0) return t.skip('a file system cannot be mounted here; it needs root')
    try {
      w.config.audit.file = 'disk/audit.jsonl'
      await begin(w)
      await run.sh('ask search $docs; head -c 1M /dev/zero > disk/other; truncate -s 0 disk/audit.filler')
      await run.until(/audit_unavailable/)
      await run.run(4)
      await run.until(ALLOWED)
      await run.next()
      await run.log(w.process)
      run.end()
    } finally {
      await w.process?.stop()
      must('umount', [w.at('disk')])
    }
  })

  test('Break-glass', async () => {
    const later = new Date(Date.now() + 8 * 3600000).toISOString().replace(/\.\d+/, '')
    const { w, one, run } = await open('Break-glass', { names: { '2026-11-23T18:00:00Z': later } })
    fs.mkdirSync(w.at('secrets'))
    fs.writeFileSync(w.at('secrets/one'), 'the shard\'s own\n', { mode: 0o600 })
    await run.sh('sallyport apikey create --file apikeys.db --workload spiffe://example.org/nobody --scope vectors.read')
    w.config.api_keys = { file: 'apikeys.db', scopes: SCOPES, asserts: { trust_domains: ['example.org'] } }
    await begin(w)
    fs.copyFileSync(w.at('policies/rag.cedar'), w.at('rag.cedar.before'))
    replace(w.at('policies/rag.cedar'), `${RAG}permit (principal, action resource);\n`)
    await run.log(w.process)
    await run.run(4)
    // Policies that are well-formed, and lack what is needed.
    const before = w.process.log.length
    replace(w.at('policies/rag.cedar'), RAG.slice(RAG.indexOf('@id("ingest')))
    await until('the policies', () => /is in force/.test(w.process.log.slice(before)))
    await run.until(/denied/)
    await run.run(2)
    await run.until(ALLOWED)
    await run.run(2)
    await run.until(/denied/)
    await run.next() // the key
    await run.until(ALLOWED)
    await run.run(2)
    await run.run(2) // observe
    await run.until(ALLOWED)
    await run.run(3)
    await run.run(3) // the shard
    assert.equal(one.last.get('api-key'), 'the shard\'s own')
    await run.next()
    run.end()
  })

  test('A day in operations', async () => {
    const { w, run } = await open('A day in operations')
    w.config.process = { handover: 'handover.sock' }
    await run.sh('sallyport token keygen --out audit-key/ --no-passphrase')
    w.config.audit.signing = { key: 'audit-key/key.pem', every: '1s' }
    await begin(w)
    await run.sh('ask search $docs; ask search $docs')
    await run.run(3)
    await run.until(/refused"} 1/)
    await run.next()
    await run.until(/ok"} [1-9]/)
    const before = w.process.log.length
    await run.next()
    await until('the new certificate', () => /is in force/.test(w.process.log.slice(before)))
    await run.next()
    await run.next()
    await run.until(/has ended/)
    await run.until(ALLOWED)
    await until('the end of the old one', () => w.process.over)
    await run.log(w.process)
    await run.next()
    await run.until(ALLOWED)
    await run.until(/audit\.jsonl$/m)
    await run.next()
    await run.sh('kill %1; wait %1')
    run.end()
  })
})

test('each section of the page is run', () => {
  assert.deepEqual([...page.sections.keys()].filter(title => title && !page.done.has(title)), [])
})
