// SPDX-License-Identifier: GPL-3.0-or-later
// The unmodified Qdrant client, through the local agent. The shard is a recorder that answers as Qdrant does: there is no Qdrant in any
// package registry. What is looked at is what arrives at it.
import assert from 'node:assert/strict'
import { QdrantClient } from '@qdrant/js-client-rest'
import { after, before, test } from 'node:test'
import { startAgent } from './lib/agent.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("rag")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"readwrite", Action::"create", Action::"alter"], resource)
unless { resource has name && resource.name like "secret*" };
`
const ok = result => json({ result, status: 'ok', time: 0.001 })
let w, shard, other, agent, qdrant, caller

before(async () => {
  shard = await Upstream.start()
  other = await Upstream.start()
  w = await World.make('qdrant', {
    shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }, { name: 'two', api: 'qdrant', endpoints: [other.url] }],
    routes: [{ collection: 'far-*', shard: 'two' }, { shard: 'one' }],
    policies: POLICY
  })
  await w.start()
  caller = await w.workload('rag')
  agent = await startAgent(caller)
  qdrant = new QdrantClient({ url: agent.url, apiKey: 'the-clients-own', checkCompatibility: false })
})

after(async () => {
  dumpLogs(w?.process)
  await agent?.stop()
  await w?.stop()
  await Promise.all([shard?.stop(), other?.stop()])
})

const sent = () => JSON.parse(shard.last.body)
const vector = [0.1, 0.2, 0.3]

test('search, query, scroll, count and retrieve reach the shard as the client meant them', async () => {
  shard.answer = () => ok([{ id: 1, version: 1, score: 0.9, payload: { a: 1 } }])
  const found = await qdrant.search('docs', { vector, limit: 3, filter: { must: [{ key: 'lang', match: { value: 'en' } }] }, with_payload: true })
  assert.equal(found[0].score, 0.9)
  assert.deepEqual(sent(), { vector, limit: 3, filter: { must: [{ key: 'lang', match: { value: 'en' } }] }, offset: 0, with_payload: true, with_vector: false })
  assert.equal(shard.last.line, 'POST /collections/docs/points/search HTTP/1.1')
  shard.answer = () => ok({ points: [] })
  await qdrant.query('docs', { prefetch: [{ query: vector, limit: 20, prefetch: { query: vector, limit: 100 } }], query: { fusion: 'rrf' }, limit: 5 })
  assert.equal(sent().prefetch[0].prefetch.limit, 100)
  shard.answer = () => ok({ points: [], next_page_offset: null })
  await qdrant.scroll('docs', { limit: 10, with_payload: ['a'] })
  assert.equal(sent().limit, 10)
  shard.answer = () => ok({ count: 7 })
  assert.equal((await qdrant.count('docs', { exact: true })).count, 7)
  shard.answer = () => ok([])
  await qdrant.retrieve('docs', { ids: [1, '00000000-0000-4000-8000-000000000001'] })
  assert.deepEqual(sent().ids, [1, '00000000-0000-4000-8000-000000000001'])
})

test('upsert, payload, delete and a batch of them reach the shard as the client meant them', async () => {
  shard.answer = () => ok({ operation_id: 1, status: 'completed' })
  await qdrant.upsert('docs', { wait: true, points: [{ id: 1, vector, payload: { text: 'ünïcödé', n: 1.5, big: 9007199254740993 } }] })
  assert.equal(shard.last.method, 'PUT')
  assert.match(shard.last.path, /^\/collections\/docs\/points\?.*wait=true/)
  assert.equal(sent().points[0].payload.text, 'ünïcödé')
  await qdrant.setPayload('docs', { payload: { a: 1 }, points: [1] })
  await qdrant.delete('docs', { points: [1] })
  await qdrant.batchUpdate('docs', { operations: [{ upsert: { points: [{ id: 2, vector }] } }, { delete: { points: [2] } }] })
  assert.equal(sent().operations.length, 2)
})

test('numbers keep every digit, also where the gateway writes the body anew', async () => {
  shard.answer = () => ok([])
  const text = '{"vector":[0.1,1e-7,123456789.123456789,-0.0],"limit":10,"filter":{"must":[{"key":"id","match":{"value":18446744073709551615}},{"key":"n","range":{"gt":0.30000000000000004}}]}}'
  assert.equal((await caller.request('POST', '/collections/docs/points/search', { body: text, headers: { 'content-type': 'application/json' } })).status, 200)
  const body = shard.last.body.toString()
  assert.match(body, /18446744073709551615/)
  const { vector: v, filter } = JSON.parse(body)
  assert.deepEqual(v, [0.1, 1e-7, 123456789.123456789, -0])
  assert.equal(filter.must[1].range.gt, 0.30000000000000004)
})

test('search and query batches and groups', async () => {
  shard.answer = () => ok([[], []])
  await qdrant.searchBatch('docs', { searches: [{ vector, limit: 1 }, { vector, limit: 2 }] })
  assert.equal(sent().searches.length, 2)
  await qdrant.queryBatch('docs', { searches: [{ query: vector, limit: 1 }] })
  shard.answer = () => ok({ groups: [] })
  await qdrant.searchPointGroups('docs', { vector, group_by: 'doc', limit: 2, group_size: 2 })
  assert.equal(sent().group_by, 'doc')
})

test('a collection hidden in lookup_from, with_lookup or a batch is decided upon, and denied', async t => {
  const bodies = {
    'lookup_from of a recommendation': ['/collections/docs/points/recommend', { positive: [1], limit: 3, lookup_from: { collection: 'secret' } }],
    'lookup_from of a query': ['/collections/docs/points/query', { query: 1, lookup_from: { collection: 'secret' }, limit: 3 }],
    'lookup_from in a nested prefetch': ['/collections/docs/points/query', { prefetch: { prefetch: [{ query: 1, lookup_from: { collection: 'secret-2' } }] }, query: vector }],
    'with_lookup of groups': ['/collections/docs/points/search/groups', { vector, group_by: 'a', limit: 1, group_size: 1, with_lookup: 'secret' }],
    'with_lookup as an object': ['/collections/docs/points/query/groups', { query: vector, group_by: 'a', with_lookup: { collection: 'secret', with_payload: true } }],
    'the second of a batch': ['/collections/docs/points/query/batch', { searches: [{ query: vector }, { query: 1, lookup_from: { collection: 'secret' } }] }]
  }
  for (const [name, [path, body]] of Object.entries(bodies)) {
    await t.test(name, async () => refused(await nothingReaches(shard, () => caller.post(path, body)), { status: 403, code: 'denied' }))
  }
  shard.answer = () => ok([])
  await qdrant.recommend('docs', { positive: [1], limit: 3, lookup_from: { collection: 'open' } })
  assert.equal(sent().lookup_from.collection, 'open', 'and one that may be read passes')
})

test('a body that two readers could read differently is refused', async t => {
  const bodies = {
    'a repeated member': '{"vector":[1],"limit":1,"lookup_from":{"collection":"docs"},"lookup_from":{"collection":"secret"}}',
    'a member in another case': '{"vector":[1],"limit":1,"Lookup_From":{"collection":"secret"}}',
    'an unknown member': '{"vector":[1],"limit":1,"surprise":{"collection":"secret"}}',
    'a struct as an array': '[[1],1]',
    'an escaped member name': '{"vector":[1],"limit":1,"lookup_from":{"collection":"docs"},"lookup\\u005ffrom":{"collection":"secret"}}',
    'no UTF-8': Buffer.concat([Buffer.from('{"vector":[1],"limit":1,"filter":{"must":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}}')]),
    'two documents': '{"vector":[1],"limit":1}{"vector":[1],"limit":1}',
    'a comment': '{"vector":[1],/* */"limit":1}',
    'no JSON': 'vector=1',
    'nothing': ''
  }
  for (const [name, body] of Object.entries(bodies)) {
    await t.test(name, async () => {
      refused(await nothingReaches(shard, () => caller.post('/collections/docs/points/search', body, { headers: { 'content-type': 'application/json' } })), { status: 400, code: 'api_body' })
    })
  }
  for (const headers of [{ 'content-encoding': 'gzip', 'content-type': 'application/json' }, { 'content-type': 'text/plain' }]) {
    refused(await nothingReaches(shard, () => caller.post('/collections/docs/points/search', '{"vector":[1],"limit":1}', { headers })), { status: 415, code: 'content_encoding' })
  }
})

test('a repeated query parameter is refused', async () => {
  refused(await nothingReaches(shard, () => caller.post('/collections/docs/points/search?consistency=all&consistency=1', { vector, limit: 1 })), { status: 400, code: 'api_query' })
})

test('a list is merged over the shards, and shows what the policy shows', async () => {
  const collections = names => ok({ collections: names.map(name => ({ name })) })
  shard.answer = () => collections(['docs', 'secret', 'far-misplaced'])
  other.answer = () => collections(['far-docs', 'stray', 'far-secret'])
  const { collections: seen } = await qdrant.getCollections()
  assert.deepEqual(seen.map(c => c.name).sort(), ['docs', 'far-docs', 'far-secret'], 'secret is hidden; what lies where no route leads is not shown')
})

test('collections are made and changed on the shard the routes say, aliases only over what both names may', async () => {
  shard.answer = other.answer = () => ok(true)
  await qdrant.createCollection('far-new', { vectors: { size: 3, distance: 'Cosine' } })
  assert.equal(other.last.line.split(' ')[0], 'PUT')
  assert.equal(JSON.parse(other.last.body).vectors.size, 3)
  await qdrant.updateCollectionAliases({ actions: [{ create_alias: { collection_name: 'docs', alias_name: 'current' } }] })
  assert.equal(shard.last.path.split('?')[0], '/collections/aliases')
  refused(await nothingReaches(shard, () => caller.post('/collections/aliases', { actions: [{ create_alias: { collection_name: 'secret', alias_name: 'current' } }] })), { status: 403, code: 'denied' })
  await assert.rejects(nothingReaches(shard, () => qdrant.deleteCollection('docs')), /Forbidden/, 'drop was not granted')
})

test('collections on two shards in one request are refused, not split', async () => {
  refused(await nothingReaches(shard, () => caller.post('/collections/docs/points/recommend', { positive: [1], limit: 1, lookup_from: { collection: 'far-docs' } })),
    { status: 400, code: 'shards_differ' })
})

test('a snapshot, which is the whole collection, needs its own grant', () =>
  assert.rejects(nothingReaches(shard, () => qdrant.createSnapshot('docs')), /Forbidden/))

test('the client\'s api-key never reaches the shard', () => {
  assert.ok(shard.requests.length > 10)
  for (const r of [...shard.requests, ...other.requests]) assert.ok(!r.head.includes('the-clients-own'))
})
