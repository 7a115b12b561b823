// SPDX-License-Identifier: GPL-3.0-or-later
// Every method of the unmodified Qdrant client: what the gateway serves reaches the shard as one request, what the client sends without the
// gateway, body and all; everything else is a clear refusal and nothing arrives.
import assert from 'node:assert/strict'
import { QdrantClient } from '@qdrant/js-client-rest'
import { after, before, test } from 'node:test'
import { Recorded, undecided } from './lib/recorded.mjs'
import { json } from './lib/upstream.mjs'

const POLICY = `
@id("all-but-ops")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"readwrite", Action::"admin"], resource);
`
const vector = [0.1, 0.2]
const filter = { must: [{ key: 'lang', match: { value: 'en' } }] }
const DOCS = 'docs'

// Its arguments, by method.
const CALLS = {
  search: [DOCS, { vector, limit: 3, filter, with_payload: ['a'], with_vector: true, score_threshold: 0.5, offset: 1 }],
  searchBatch: [DOCS, { searches: [{ vector, limit: 3, filter }, { vector, limit: 1 }] }],
  searchPointGroups: [DOCS, { vector, limit: 3, group_by: 'a', group_size: 2, filter }],
  searchMatrixPairs: [DOCS, { sample: 10, limit: 2, filter }],
  searchMatrixOffsets: [DOCS, { sample: 10, limit: 2 }],
  recommend: [DOCS, { positive: [1], negative: [2], limit: 3 }],
  recommendBatch: [DOCS, { searches: [{ positive: [1], limit: 3 }] }],
  recommend_batch: [DOCS, { searches: [{ positive: [1], limit: 3 }] }],
  recommendPointGroups: [DOCS, { positive: [1], limit: 3, group_by: 'a', group_size: 2 }],
  discoverPoints: [DOCS, { target: vector, context: [{ positive: 1, negative: 2 }], limit: 3 }],
  discoverBatchPoints: [DOCS, { searches: [{ target: vector, limit: 3 }] }],
  query: [DOCS, { query: vector, prefetch: [{ query: vector, limit: 10, filter }], limit: 3 }],
  queryBatch: [DOCS, { searches: [{ query: vector, limit: 3 }] }],
  queryGroups: [DOCS, { query: vector, limit: 3, group_by: 'a', group_size: 2 }],
  scroll: [DOCS, { filter, limit: 3, with_payload: true, order_by: 'a' }],
  count: [DOCS, { filter, exact: true }],
  facet: [DOCS, { key: 'a', limit: 3, filter }],
  retrieve: [DOCS, { ids: [1, 2], with_vector: true }],
  upsert: [DOCS, { wait: true, points: [{ id: 1, vector, payload: { a: 1 } }] }],
  updateVectors: [DOCS, { points: [{ id: 1, vector }] }],
  setPayload: [DOCS, { payload: { a: 1 }, points: [1] }],
  overwritePayload: [DOCS, { payload: { a: 1 }, filter }],
  batchUpdate: [DOCS, { operations: [{ upsert: { points: [{ id: 1, vector }] } }, { delete: { points: [2] } }] }],
  delete: [DOCS, { filter }],
  deleteVectors: [DOCS, { points: [1], vector: ['a'] }],
  deletePayload: [DOCS, { keys: ['a'], points: [1] }],
  clearPayload: [DOCS, { points: [1] }],
  createCollection: [DOCS, { vectors: { size: 2, distance: 'Cosine' } }],
  updateCollection: [DOCS, { optimizers_config: { indexing_threshold: 1 } }],
  deleteCollection: [DOCS],
  createPayloadIndex: [DOCS, { field_name: 'a', field_schema: 'keyword' }],
  deletePayloadIndex: [DOCS, 'a'],
  createShardKey: [DOCS, { shard_key: 'k' }],
  deleteShardKey: [DOCS, { shard_key: 'k' }],
  updateCollectionCluster: [DOCS, { drop_shard_key: { shard_key: 'k' } }],
  updateCollectionAliases: [{ actions: [{ create_alias: { collection_name: DOCS, alias_name: 'd' } }] }],
  getCollection: [DOCS],
  collectionExists: [DOCS],
  getCollectionAliases: [DOCS],
  collectionClusterInfo: [DOCS],
  getOptimizations: [DOCS],
  versionInfo: [],
  listSnapshots: [DOCS],
  createSnapshot: [DOCS],
  deleteSnapshot: [DOCS, 's'],
  listShardSnapshots: [DOCS, 0],
  createShardSnapshot: [DOCS, 0, {}],
  deleteShardSnapshot: [DOCS, 0, 's', {}],
  createVectorName: [DOCS, 'v', { size: 2, distance: 'Cosine' }, {}],
  deleteVectorName: [DOCS, 'v', {}],
  listShardKeys: [DOCS]
}
// Those whose answer the gateway makes from the shard's.
const LISTS = { getCollections: { collections: [{ name: DOCS }] }, getAliases: { aliases: [{ alias_name: 'd', collection_name: DOCS }] } }
// The server's own affairs: nobody has them without a policy that names `ops`. To recover from a location is to
// read a file or URL with the server's own rights.
const OPS = {
  listFullSnapshots: [],
  createFullSnapshot: [],
  deleteFullSnapshot: ['s'],
  clusterTelemetry: [],
  recoverSnapshot: [DOCS, { location: 'http://127.0.0.1/s' }],
  recoverShardFromSnapshot: [DOCS, 0, { location: 'http://127.0.0.1/s' }]
}
// Several requests, each of which is above; or none of the API's.
const NOT_ONE = ['constructor', 'api', 'recreateCollection']

const qdrant = new Recorded()

before(async () => {
  await qdrant.start('clients', { api: 'qdrant', policies: POLICY, client: url => new QdrantClient({ url, checkCompatibility: false }) })
  qdrant.shard.answer = qdrant.direct.answer = () => json({ result: {}, status: 'ok', time: 0.001 })
})

after(() => qdrant.stop())

test('no method of the client is left out', () => assert.deepEqual(undecided(qdrant.plain, CALLS, LISTS, OPS, NOT_ONE), []))

for (const [method, args] of Object.entries(CALLS)) test(`${method} reaches the shard as the client meant it`, () => qdrant.arrives(method, args))

for (const [method, result] of Object.entries(LISTS))
  test(`${method} shows what the shard has`, async () => {
    const answer = qdrant.shard.answer
    qdrant.shard.answer = () => json({ result, status: 'ok', time: 0.001 })
    assert.deepEqual(await qdrant.through[method](), result)
    qdrant.shard.answer = answer
  })

for (const [method, args] of Object.entries(OPS)) test(`${method} is refused clearly, and nothing arrives`, () => qdrant.refuses(method, args))
