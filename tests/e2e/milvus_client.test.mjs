// SPDX-License-Identifier: GPL-3.0-or-later
// Every method of Milvus's unmodified JavaScript client for REST, as clients.test.mjs does it with Qdrant's. The package also brings a client
// for gRPC and a hundred packages for that; the one for REST needs none of them.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fromNpm } from './lib/packages.mjs'
import { Recorded, undecided } from './lib/recorded.mjs'
import { json } from './lib/upstream.mjs'

const POLICY = `
@id("all-but-ops")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"readwrite", Action::"admin"], resource);
`
const docs = { collectionName: 'docs' }
const part = { ...docs, partitionName: 'p' }
const parts = { ...docs, partitionNames: ['p', 'q'] }
const index = { ...docs, indexName: 'i' }
const alias = { aliasName: 'd' }
const data = [[0.1, 0.2]]
const rows = [{ id: 1, vector: [0.1, 0.2], lang: 'en' }]

// Its arguments, by method.
const CALLS = {
  createCollection: { ...docs, dimension: 2, metricType: 'COSINE' },
  describeCollection: docs,
  dropCollection: docs,
  hasCollection: docs,
  renameCollection: { ...docs, newCollectionName: 'pages' },
  getCollectionStatistics: docs,
  loadCollection: docs,
  refreshLoad: docs,
  releaseCollection: docs,
  getCollectionLoadState: docs,
  flushCollection: docs,
  compactCollection: docs,
  alterCollectionProperties: { ...docs, properties: { 'mmap.enabled': true } },
  dropCollectionProperties: { ...docs, propertyKeys: ['mmap.enabled'] },
  alterCollectionFieldProperties: { ...docs, fieldName: 'lang', fieldParams: { max_length: 100 } },
  addCollectionField: { ...docs, schema: { fieldName: 'lang', dataType: 'VarChar', nullable: true, elementTypeParams: { max_length: 64 } } },
  get: { ...docs, id: [1, 2], outputFields: ['lang'] },
  query: { ...docs, filter: 'lang == "en"', limit: 3, outputFields: ['lang'] },
  search: { ...docs, data, annsField: 'vector', limit: 3, filter: 'lang == "en"', outputFields: ['lang'] },
  hybridSearch: { ...docs, search: [{ data, annsField: 'vector', limit: 3 }], rerank: { strategy: 'rrf', params: { k: 10 } }, limit: 3 },
  insert: { ...docs, data: rows },
  upsert: { ...docs, data: rows },
  delete: { ...docs, filter: 'id in [1]' },
  listPartitions: docs,
  createPartition: part,
  dropPartition: part,
  hasPartition: part,
  getPartitionStatistics: part,
  loadPartitions: parts,
  releasePartitions: parts,
  listIndexes: docs,
  createIndex: { ...docs, indexParams: [{ fieldName: 'vector', indexName: 'i', metricType: 'COSINE', params: { index_type: 'HNSW' } }] },
  describeIndex: index,
  dropIndex: index,
  alterIndexProperties: { ...index, properties: { 'mmap.enabled': true } },
  dropIndexProperties: { ...index, propertyKeys: ['mmap.enabled'] },
  createAlias: { ...docs, ...alias },
  alterAlias: { ...docs, ...alias },
  describeAlias: alias,
  dropAlias: alias,
  listImportJobs: docs,
  createDatabase: { dbName: 'own' },
  dropDatabase: { dbName: 'own' }
}
// Those whose answer the gateway makes from the shard's.
const LISTS = { listCollections: ['docs', 'pages'], listAliases: ['d'] }
// The server's own affairs; jobs by a number that says nothing of a collection, and those that read files with the server's own rights.
const OPS = {
  createImportJobs: { ...docs, files: [['a.parquet']] },
  listDatabases: {},
  describeDatabase: { dbName: 'own' },
  alterDatabaseProperties: { dbName: 'own', properties: { a: 1 } },
  dropDatabaseProperties: { dbName: 'own', propertyKeys: ['a'] },
  getImportJobProgress: { jobId: '1' },
  getCompactionState: { jobID: 1 },
  listUsers: {},
  createUser: { userName: 'u', password: 'p' },
  updateUserPassword: { userName: 'u', password: 'p', newPassword: 'q' },
  dropUser: { userName: 'u' },
  describeUser: { userName: 'u' },
  grantRoleToUser: { userName: 'u', roleName: 'r' },
  revokeRoleFromUser: { userName: 'u', roleName: 'r' },
  listRoles: {},
  createRole: { roleName: 'r' },
  describeRole: { roleName: 'r' },
  dropRole: { roleName: 'r' },
  grantPrivilegeToRole: { roleName: 'r', objectType: 'Global', objectName: '*', privilege: 'All' },
  revokePrivilegeFromRole: { roleName: 'r', objectType: 'Global', objectName: '*', privilege: 'All' }
}
const NOT_ONE = ['constructor', 'POST', 'GET']

const { folder, missing } = fromNpm('@zilliz/milvus2-sdk-node', '3.0.6', 'sha512-AVEZNjoqB9zdtTGCBxDBPm/PwG7zjmeNBKh3e81l8Px4iiYz79ee2I+0uQXQYiUUOai4253/gbDtfj2SZHQqOg==')
if (missing) {
  test('Milvus\'s client', t => t.skip(missing))
} else {
  const { HttpClient } = createRequire(import.meta.url)(path.join(folder, 'dist/milvus/HttpClient.js'))
  const answered = result => () => json({ code: 0, data: result })
  const milvus = new Recorded()

  before(async () => {
    await milvus.start('milvus-client', { api: 'milvus', policies: POLICY, client: endpoint => new HttpClient({ endpoint }) })
    milvus.shard.answer = milvus.direct.answer = answered({})
  })

  after(() => milvus.stop())

  test('no method of the client is left out', () => assert.deepEqual(undecided(milvus.plain, CALLS, LISTS, OPS, NOT_ONE), []))

  for (const [method, args] of Object.entries(CALLS))
    test(`${method} reaches the shard as the client meant it`, async () => {
      await milvus.arrives(method, [args])
      assert.equal(milvus.shard.last.get('content-type'), 'application/json')
    })

  for (const [method, result] of Object.entries(LISTS))
    test(`${method} shows what the shard has`, async () => {
      milvus.shard.answer = answered(result)
      assert.deepEqual((await milvus.through[method](method === 'listAliases' ? { ...docs } : {})).data, result)
      milvus.shard.answer = milvus.direct.answer
    })

  for (const [method, args] of Object.entries(OPS)) test(`${method} is refused clearly, and nothing arrives`, () => milvus.refuses(method, [args]))
}
