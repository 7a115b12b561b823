// SPDX-License-Identifier: GPL-3.0-or-later
// The unmodified Weaviate client of the REST and GraphQL generation (v2): what it asks through the gateway reaches the shard as one request,
// what the client sends without the gateway. Queries are written anew; what may differ is white space and commas.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import weaviate from 'weaviate-ts-client'
import { startAgent } from './lib/agent.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("docs")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"readwrite", Action::"admin"], resource)
unless { resource has name && resource.name like "Secret*" };
`
const ID = '3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f'
const CALLS = {
  get: c => c.graphql.get().withClassName('Docs').withTenant('acme').withFields('title _additional { id vector }').withNearVector({ vector: [0.1, 1] }).withLimit(3).do(),
  where: c => c.graphql.get().withClassName('Docs').withFields('title').withWhere({ path: ['title'], operator: 'Equal', valueText: 'a "b" \\ ü' }).withBm25({ query: 'x', properties: ['title'] }).do(),
  hybrid: c => c.graphql.get().withClassName('Docs').withFields('title').withHybrid({ query: 'x', alpha: 0.5, vector: [1, 2] }).do(),
  nearText: c => c.graphql.get().withClassName('Docs').withFields('title').withNearText({ concepts: ['a'], moveTo: { concepts: ['b'], force: 0.5, objects: [{ id: ID }] } }).do(),
  nearObject: c => c.graphql.get().withClassName('Docs').withFields('title inCity { ... on City { name } }').withNearObject({ id: ID }).withLimit(1).do(),
  aggregate: c => c.graphql.aggregate().withClassName('Docs').withFields('meta { count }').do(),
  raw: c => c.graphql.raw().withQuery('{ Get { Docs(limit: 1) { title } } }').do(),
  creator: c => c.data.creator().withClassName('Docs').withProperties({ title: 'a' }).withVector([1, 2]).withTenant('acme').do(),
  updater: c => c.data.updater().withClassName('Docs').withId(ID).withProperties({ title: 'b' }).do(),
  merger: c => c.data.merger().withClassName('Docs').withId(ID).withProperties({ title: 'b' }).do(),
  getter: c => c.data.getter().withClassName('Docs').withLimit(3).withTenant('acme').do(),
  getterById: c => c.data.getterById().withClassName('Docs').withId(ID).withVector().do(),
  checker: c => c.data.checker().withClassName('Docs').withId(ID).do(),
  deleter: c => c.data.deleter().withClassName('Docs').withId(ID).withTenant('acme').do(),
  validator: c => c.data.validator().withClassName('Docs').withId(ID).withProperties({ title: 'b' }).do(),
  refCreator: c => c.data.referenceCreator().withClassName('Docs').withId(ID).withReferenceProperty('inCity').withReference(c.data.referencePayloadBuilder().withClassName('City').withId(ID).payload()).do(),
  refReplacer: c => c.data.referenceReplacer().withClassName('Docs').withId(ID).withReferenceProperty('inCity').withReferences([c.data.referencePayloadBuilder().withClassName('City').withId(ID).payload()]).do(),
  batch: c => c.batch.objectsBatcher().withObjects({ class: 'Docs', properties: { a: 1 } }).do(),
  batchDelete: c => c.batch.objectsBatchDeleter().withClassName('Docs').withWhere({ path: ['a'], operator: 'Equal', valueInt: 1 }).withOutput('verbose').withDryRun(true).do(),
  batchRefs: c => c.batch.referencesBatcher().withReference(c.batch.referencePayloadBuilder().withFromClassName('Docs').withFromId(ID).withFromRefProp('inCity').withToClassName('City').withToId(ID).payload()).do(),
  classCreator: c => c.schema.classCreator().withClass({ class: 'Docs', vectorizer: 'none' }).do(),
  classGetter: c => c.schema.classGetter().withClassName('Docs').do(),
  schema: c => c.schema.getter().do(),
  propertyCreator: c => c.schema.propertyCreator().withClassName('Docs').withProperty({ name: 'a', dataType: ['text'] }).do(),
  tenants: c => c.schema.tenantsCreator('Docs', [{ name: 'a' }]).do(),
  tenantsGet: c => c.schema.tenantsGetter('Docs').do(),
  shards: c => c.schema.shardsGetter().withClassName('Docs').do(),
  exists: c => c.schema.exists('Docs'),
  meta: c => c.misc.metaGetter().do(),
  live: c => c.misc.liveChecker().do(),
  backup: c => c.backup.creator().withIncludeClassNames('Docs').withBackend('filesystem').withBackupId('b').do()
}
const SECRET = {
  get: c => c.graphql.get().withClassName('Secret').withFields('title').do(),
  second: c => c.graphql.raw().withQuery('{ Get { Docs(limit: 1) { title } other: Secret(limit: 1) { title } } }').do(),
  reference: c => c.graphql.get().withClassName('Docs').withFields('title inCity { ... on Secret { name } }').do(),
  path: c => c.graphql.get().withClassName('Docs').withFields('title').withWhere({ path: ['inCity', 'Secret', 'name'], operator: 'Equal', valueText: 'a' }).do(),
  lowerCase: c => c.data.getterById().withClassName('secret').withId(ID).do(),
  create: c => c.data.creator().withClassName('secret').withProperties({ a: 1 }).do(),
  nodes: c => c.cluster.nodesStatusGetter().do()
}

let w, shard, direct, agent, through, plain

before(async () => {
  shard = await Upstream.start()
  direct = await Upstream.start()
  w = await World.make('weaviate', { shards: [{ name: 'one', api: 'weaviate', endpoints: [shard.url] }], routes: [{ shard: 'one' }], policies: POLICY })
  await w.start()
  agent = await startAgent(await w.workload('rag'))
  shard.answer = direct.answer = () => json({ data: { Get: {} }, classes: [], version: '1.27.0', objects: [] })
  through = weaviate.client({ scheme: 'http', host: `127.0.0.1:${agent.port}` })
  plain = weaviate.client({ scheme: 'http', host: `127.0.0.1:${direct.port}` })
  for (const client of [through, plain]) await CALLS.get(client) // it asks for the version once, by itself
})

after(async () => {
  dumpLogs(w?.process)
  await agent?.stop()
  await w?.stop()
  await Promise.all([shard?.stop(), direct?.stop()])
})

function meaning({ method, path, body }) {
  const url = new URL(path, 'http://shard')
  url.searchParams.sort()
  const value = body.length ? JSON.parse(body) : undefined
  if (url.pathname === '/v1/graphql') value.query = value.query.replace(/[\s,]+/g, '')
  return { method, path: url.pathname, query: `${url.searchParams}`, body: value }
}

for (const [name, call] of Object.entries(CALLS))
  test(`${name} reaches the shard as the client meant it`, async () => {
    const [there, here] = [shard.requests.length, direct.requests.length]
    const [expected, got] = await Promise.allSettled([call(plain), call(through)])
    assert.equal(got.status, expected.status, `${got.reason}`)
    assert.equal(direct.requests.length, here + 1)
    assert.equal(shard.requests.length, there + 1)
    assert.deepEqual(meaning(shard.last), meaning(direct.last))
  })

for (const [name, call] of Object.entries(SECRET))
  test(`what is not allowed is refused, and nothing arrives: ${name}`, async () => {
    const there = shard.requests.length
    await assert.rejects(call(through), /403/)
    assert.equal(shard.requests.length, there)
  })
