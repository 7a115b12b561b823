// SPDX-License-Identifier: GPL-3.0-or-later
// A database that is not built in, behind a table that its operator wrote: `apis` of the configuration.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sallyport } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("acme")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"search", Action::"write"], resource is Collection)
when { resource in Tenant::"acme" && resource.name like "docs*" && context.request has limit && context.request.limit <= 100 };

@id("write")
permit (principal == Workload::"spiffe://example.org/rag", action == Action::"write", resource is Collection)
when { resource.name like "docs*" };

@id("narrow")
@filter("owner", "context.token.tenant")
permit (principal == Workload::"spiffe://example.org/narrow", action == Action::"search", resource is Collection)
when { context.token has tenant };
`
const APIS = [{
  name: 'own',
  query: ['verbose'],
  rows: [
    { method: 'POST', path: '/v1/search', action: 'search', collection: '$.index.name', tenant: '?ns', limit: '$.top', filter: '$.where', members: ['vector'] },
    { method: 'POST', path: '/v1/{c}/records', action: 'write' },
    { method: 'GET', path: '/v1/indexes', action: 'ops' }
  ]
}]
let w, shard, other, caller, narrow

before(async () => {
  shard = await Upstream.start()
  other = await Upstream.start()
  w = await World.make('own', {
    change: { apis: APIS },
    shards: [{ name: 'one', api: 'own', endpoints: [shard.url] }, { name: 'q', api: 'qdrant', endpoints: [other.url] }],
    routes: [{ shard: 'q' }, { shard: 'one' }],
    policies: POLICY
  })
  w.config.issuers[0].asserts.tenants = ['*']
  w.save()
  await w.start()
  caller = await w.workload('rag')
  narrow = await w.workload('narrow', { mint: { claims: { tenant: 'acme' } } })
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await Promise.all([shard?.stop(), other?.stop()])
})

const post = (path, body, who = caller) =>
  who.request('POST', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

test('what the table knows reaches the shard, authorised by what the body says', async () => {
  shard.answer = () => json({ hits: [] })
  const body = { index: { name: 'docs-1' }, top: 10, where: { a: 1 }, vector: [0.5, 1] }
  assert.equal((await post('/v1/search?ns=acme', body)).status, 200)
  assert.equal(shard.last.line, 'POST /v1/search?ns=acme HTTP/1.1')
  assert.deepEqual(JSON.parse(shard.last.body), body)
  assert.equal((await caller.request('POST', '/v1/docs-1/records', { body: 'anything' })).status, 200)
  assert.equal(shard.last.body.toString(), 'anything')
  assert.equal(other.requests.length, 0)
})

test('another collection, tenant or limit, a second name and what no row has are denied', async () => {
  const before = shard.requests.length
  for (const [path, body] of [
    ['/v1/search?ns=acme', { index: { name: 'secret' }, top: 10 }],
    ['/v1/search?ns=other', { index: { name: 'docs-1' }, top: 10 }],
    ['/v1/search?ns=acme', { index: { name: 'docs-1' }, top: 1000 }],
    ['/v1/search?ns=acme', { index: { name: 'docs-1' } }],
    ['/v1/indexes', {}]
  ]) assert.equal((await post(path, body)).status, 403, JSON.stringify(body))
  for (const [path, body] of [
    ['/v1/search?ns=acme', { index: { name: 'docs-1', Name: 'secret' }, top: 10 }],
    ['/v1/search?ns=acme', { index: { name: 'docs-1', alias: 'secret' }, top: 10 }],
    ['/v1/search?ns=acme&index=secret', { index: { name: 'docs-1' }, top: 10 }]
  ]) assert.equal((await post(path, body)).status, 400, JSON.stringify(body))
  assert.equal(shard.requests.length, before)
})

test('a filter cannot be put into it, so who must be confined is refused', async () => {
  const before = shard.requests.length
  assert.equal((await post('/v1/search?ns=acme', { index: { name: 'docs-1' }, top: 10 }, narrow)).status, 403)
  assert.equal(shard.requests.length, before)
})

test('sallyport route knows it by its configuration', () => {
  const file = join(w.folder, 'body.json')
  writeFileSync(file, JSON.stringify({ index: { name: 'docs-1' }, top: 10 }))
  const answer = run(sallyport, ['route', 'POST', '/v1/search?ns=acme', '--api', 'own', '--config', w.file, '--body', file, '--json'])
  assert.equal(answer.status, 0, answer.err)
  const said = JSON.parse(answer.out)
  assert.deepEqual([said.api, said.action, said.tenant, said.collections, said.facts.limit, said.shards], ['own', 'search', 'acme', ['docs-1'], 10, ['one']])
  const denied = run(sallyport, ['route', 'POST', '/v1/search', '--api', 'own', '--config', w.file, '--body', file, '--json'])
  assert.equal(denied.status, 1)
  assert.equal(JSON.parse(denied.out).error, 'API_QUERY')
  const unknown = run(sallyport, ['route', 'GET', '/', '--api', 'own'])
  assert.equal(unknown.status, 2)
  assert.match(unknown.err, /own is not one of qdrant, chroma, milvus, weaviate; APIs of a configuration need --config/)
})
