// SPDX-License-Identifier: GPL-3.0-or-later
// API keys with the real process: made, rotated and revoked on the command line while the gateway runs.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { Client } from './lib/client.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { sallyport, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const FORM = /^sp_live_([0-9a-f]{16})_[0-9A-Za-z]{38}$/
let w, shard, registry, owner, thief

const apikey = (...args) => run(sallyport, ['apikey', ...args, '--file', registry])
const json = (...args) => {
  const result = apikey(...args, '--json')
  assert.equal(result.status, 0, result.err)
  return JSON.parse(result.out)
}
const create = (...args) => json('create', '--workload', w.ca.id('legacy'), '--scope', 'vectors.rw', ...args)
const bearer = key => ({ headers: { authorization: `Bearer ${key}` } })
const status = async (key, client = owner) => (await client.get(DOCS, bearer(key))).status
// The gateway looks once a second.
const takesEffect = (what, key, wanted) => until(what, async () => await status(key) === wanted, 5000)

before(async () => {
  shard = await Upstream.start()
  w = await World.make('apikey', {
    shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }],
    routes: [{ shard: 'one' }],
    policies: `@id("legacy")
permit (principal, action in [Action::"readonly"], resource)
when { principal in Role::"legacy/reader" && context.token.bound_to == "workload" && context.token.claims has env && context.token.claims.env == "live" };`
  })
  registry = w.at('apikeys.db')
  assert.equal(apikey('create', '--workload', w.ca.id('legacy')).status, 0) // makes the registry
  w.config.api_keys = {
    name: 'legacy', file: registry, scopes: { 'vectors.rw': ['readonly', 'readwrite'] }, asserts: { roles: ['reader'], trust_domains: ['example.org'] }
  }
  w.save()
  await w.start()
  owner = new Client(w, w.ca.issue('legacy'))
  thief = new Client(w, w.ca.issue('thief'))
  w.clients = [owner, thief]
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

test('a key made while the gateway runs works under the owner\'s certificate, and the audit log has its id only', async () => {
  const made = create('--role', 'reader', '--note', 'nightly job')
  assert.match(made.key, FORM)
  await takesEffect('the key', made.key, 200)
  const answer = await owner.get(DOCS, bearer(made.key))
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.client_id, made.id)
  assert.equal(record.issuer, 'apikey:legacy')
  assert.equal(record.subject, w.ca.id('legacy'))
  assert.ok(!JSON.stringify(shard.requests ?? []).includes(made.key))
  assert.ok(!fs.readFileSync(w.audit, 'utf8').includes(made.key.slice(25)))
  assert.ok(!w.process.log.includes(made.key.slice(25)))
})

test('a stolen key under another workload\'s certificate is refused', async () => {
  const { key } = create('--role', 'reader')
  await takesEffect('the key', key, 200)
  refused(await nothingReaches(shard, () => thief.get(DOCS, bearer(key))), { status: 401, code: 'token_not_yours' })
})

test('a key with a typing error, an unknown key and one in two places are refused', async () => {
  const { key } = create('--role', 'reader')
  await takesEffect('the key', key, 200)
  const last = key.at(-1) === 'a' ? 'b' : 'a'
  refused(await nothingReaches(shard, () => owner.get(DOCS, bearer(key.slice(0, -1) + last))), { status: 401, code: 'api_key_invalid' })
  refused(await nothingReaches(shard, () => owner.get(DOCS, { headers: { authorization: [`Bearer ${key}`, `Bearer ${key}`] } })), { status: 400, code: 'token_ways', challenge: /error="invalid_request"/ })
})

test('a revoked key is refused within two seconds, also while the configuration is bad', async () => {
  const { key, id } = create('--role', 'reader')
  await takesEffect('the key', key, 200)
  fs.writeFileSync(w.file, fs.readFileSync(w.file, 'utf8').replace('listener:', 'listner:'))
  const from = Date.now()
  assert.equal(apikey('revoke', id).status, 0)
  await takesEffect('the revocation', key, 401)
  assert.ok(Date.now() - from < 2000, `${Date.now() - from} ms`)
  refused(await nothingReaches(shard, () => owner.get(DOCS, bearer(key))), { status: 401, code: 'api_key_revoked' })
  w.save()
  assert.ok(await w.reload())
})

test('a rotated key works with its successor until the overlap ends', async () => {
  const old = create('--role', 'reader')
  const fresh = json('rotate', old.id, '--overlap', '4s')
  assert.equal(fresh.replaces.id, old.id)
  await takesEffect('the successor', fresh.key, 200)
  assert.equal(await status(old.key), 200)
  await takesEffect('the end of the overlap', old.key, 401)
  assert.equal(await status(fresh.key), 200)
})

test('over its quota a key is answered 429 with Retry-After, and a restart gives nothing back', async () => {
  const { key, id } = create('--role', 'reader', '--quota', '3/1d')
  await takesEffect('the key', key, 200)
  assert.equal(await status(key), 200)
  assert.equal(await status(key), 200)
  const answer = await nothingReaches(shard, () => owner.get(DOCS, bearer(key)))
  refused(answer, { status: 429, code: 'quota_exceeded' })
  assert.ok(Number(answer.headers['retry-after']) > 0)
  await w.stop()
  const [kept] = json('list').filter(k => k.id === id)
  assert.equal(kept.quota.used, 3)
  await w.start()
  assert.equal(await status(key), 429)
})

test('when a key was last used is written back', async () => {
  const { key, id } = create('--role', 'reader')
  assert.equal(json('list').find(k => k.id === id).last_used, null)
  await takesEffect('the key', key, 200)
  await until('last_used', () => json('list').find(k => k.id === id).last_used !== null, 10000)
})

test('without its registry a gateway does not start, and says what to do', () => {
  const file = w.at('other.yaml')
  fs.writeFileSync(file, fs.readFileSync(w.file, 'utf8').replaceAll('apikeys.db', 'nothing.db'))
  const result = run(sallyport, ['check', '--config', file])
  assert.equal(result.status, 1)
  assert.match(result.out, /other\.yaml:\d+:\d+: error: .*nothing\.db: there is no such file; sallyport apikey create makes it/)
})
