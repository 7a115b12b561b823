// SPDX-License-Identifier: GPL-3.0-or-later
// A pod from nothing to a search: `sallyport connect` shows its projected service-account token, gets a certificate for a key that is in its memory
// alone, a token for that certificate, and serves its application; and renews all of it by itself.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { authorityOf, Connect } from './lib/connect.mjs'
import { AUDIENCE, DERIVED, joinToken } from './lib/enrolment.mjs'
import { port, replace, until } from './lib/files.mjs'
import { NONE, World } from './lib/gateway.mjs'
import { Cluster } from './lib/kubernetes.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
let w, shard, authority, cluster, enrolment
const connects = []

before(async () => {
  shard = await Upstream.start()
  w = await World.make('connect-enrol', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
  cluster = await Cluster.start(w.ca.issue('apiserver', { dns: ['localhost'] }))
  fs.writeFileSync(w.at('bearer'), `${cluster.bearer}\n`)
  enrolment = await port()
  authority = await authorityOf(w, {
    issue: `${DERIVED}permit (principal, action == Action::"token:issue", resource);\n`,
    change: {
      issuers: [{
        name: 'main', issuer: cluster.iss, uses: ['enrolment'], jwks_url: `${cluster.url}/openid/v1/jwks`, algorithms: ['RS256'], typ: 'none', audiences: [AUDIENCE],
        scopes: NONE, max_lifetime: '2h', fetch: { bearer_token_file: w.at('bearer'), tls: { ca: w.ca.bundle } }
      }],
      authority: {
        enrolment: {
          url: `https://localhost:${enrolment}`, addresses: [`127.0.0.1:${enrolment}`], ca: w.ca.dir, lifetime: '1m',
          kubernetes: [{ cluster: 'main', issuer: 'main', namespaces: ['rag'], service_accounts: ['search'] }]
        }
      }
    }
  })
  await authority.start()
  await w.start()
  await until('the keys', async () => (await w.metrics()).sallyport_ready === 1 && cluster.calls.includes('GET /openid/v1/jwks'))
})

after(async () => {
  dumpLogs(w?.process, authority?.process, ...connects.map(c => c.process))
  for (const c of connects) await c.stop()
  await w?.stop()
  await authority?.stop()
  cluster?.stop()
  await shard?.stop()
})

const start = async (name, enrol, { wait = '10s', ...options } = {}) => {
  const c = await Connect.make(name, {
    who: {}, gateways: [w], authority,
    change: { connect: { wait, enrol: { url: `https://localhost:${enrolment}`, ca: w.ca.bundle, ...enrol } } }
  })
  delete c.config.connect.ca
  c.save()
  connects.push(c)
  return c.start(options)
}

test('a projected token is all it takes: certificate, token, search', async () => {
  const file = w.at('projected')
  fs.writeFileSync(file, await cluster.token())
  const c = await start('pod', { token_file: file })
  const answer = await c.post(SEARCH, QUERY)
  assert.equal(answer.status, 200, answer.text)
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.workload, 'spiffe://example.org/ns/rag/sa/search')
})

test('a token of somebody who may not enrol: the application is told, and the probe', async () => {
  const file = w.at('stranger')
  fs.writeFileSync(file, await cluster.token({ namespace: 'elsewhere' }))
  const c = await start('stranger', { token_file: file }, { ready: false, wait: '1500ms' })
  const answer = await c.post(SEARCH, QUERY, { timeout: 20000 })
  assert.deepEqual([answer.status, answer.json.code, answer.json.gate], [503, 'no_certificate', 'certificate'], answer.text)
  assert.match(answer.json.detail, /the authority answered 403/)
  // What was wrong is put right, without a restart.
  replace(file, await cluster.token())
  await until('the certificate', async () => (await c.post(SEARCH, QUERY)).status === 200, 30000)
})

test('a join token on a plain machine, and a folder that survives the restart', async () => {
  fs.writeFileSync(w.at('join'), joinToken(w.ca, 'spiffe://example.org/laptop'), { mode: 0o600 })
  const c = await start('machine', { join_token_file: w.at('join'), state: w.at('machine') })
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  await c.stop()
  fs.rmSync(w.at('join'))
  await c.start()
  const answer = await c.post(SEARCH, QUERY)
  assert.equal(answer.status, 200, answer.text)
  assert.equal((await w.record(answer.headers['x-request-id'])).workload, 'spiffe://example.org/laptop')
  // Killed between the next key and its certificate: the key before is there still.
  await c.stop()
  fs.renameSync(w.at('machine/key.pem'), w.at('machine/key-before.pem'))
  fs.writeFileSync(w.at('machine/key.pem'), w.ca.issue('other').keyPem, { mode: 0o600 })
  await c.start()
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
})

test('a folder of another user is no place for a key', { skip: process.getuid() !== 0 && 'only root can give folders away' }, async () => {
  fs.writeFileSync(w.at('join-foreign'), joinToken(w.ca, 'spiffe://example.org/foreign'), { mode: 0o600 })
  fs.mkdirSync(w.at('foreign'), { mode: 0o700 })
  fs.chownSync(w.at('foreign'), 65534, 65534)
  await assert.rejects(start('foreign', { join_token_file: w.at('join-foreign'), state: w.at('foreign') }), /belongs to another user/)
  connects.pop()
  assert.deepEqual(fs.readdirSync(w.at('foreign')), [])
})
