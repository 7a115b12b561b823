// SPDX-License-Identifier: GPL-3.0-or-later
// Every method of the unmodified `chromadb` client, twice: straight at one Chroma server, and through the gateway at two. What comes of each
// call must be the same, answer or error; so the server says what is right, and nobody's expectation. What the gateway refuses stands at the
// end. All of it is done with the server of the npm package, and with PyPI's, which is a later one (skipped where it cannot be had).
import assert from 'node:assert/strict'
import * as chromadb from 'chromadb'
import { after, before, describe, test } from 'node:test'
import { startAgent } from './lib/agent.mjs'
import { ofNpm, ofPyPI, startChroma } from './lib/chroma.mjs'
import { until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'

const { AdminClient, ChromaClient } = chromadb

const POLICY = `
@id("all")
permit (principal == Workload::"spiffe://example.org/all", action, resource);

@id("all-but-ops")
permit (principal == Workload::"spiffe://example.org/user", action in [Action::"readwrite", Action::"admin"], resource);
`

// What the package has beside these clients and its errors.
const NOT_CLIENTS = {
  'its cloud\'s, whose host cannot be another': ['CloudClient', 'AdminCloudClient'],
  'work on what is at hand': ['GetResult', 'QueryResult', 'createErrorByType', 'getDefaultEFConfig', 'getEmbeddingFunction', 'knownEmbeddingFunctions', 'processCreateCollectionConfig',
    'processUpdateCollectionConfig', 'registerEmbeddingFunction', 'serializeEmbeddingFunction', 'withChroma', 'baseRecordSetFields', 'recordSetFields', 'IncludeEnum']
}
// Methods that others are made of.
const INNER = ['constructor', '_path', 'path', 'embed', 'prepareRecords', 'prepareQuery', 'validateGet', 'validateDelete']

// A model small enough for a test. The client warns about every collection whose model it does not know.
const MODEL = { embeddingFunction: { generate: async texts => texts.map(t => [t.length, t.charCodeAt(0) / 100, 1]) } }
console.warn = () => {}

const SHARDS = ['a', 'b']
const methodsOf = object => Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter(name => !INNER.includes(name))

// What a caller can see of a result.
function shape(value) {
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value?.rows === 'function') return { ...value, rows: value.rows() }
  if (typeof value?.count === 'function') return { id: value.id, name: value.name, metadata: value.metadata, configuration: value.configuration, model: Boolean(value.embeddingFunction) }
  return value
}

// One way to a server. Each client, and each collection that one gives, notes what is done with it and what comes of it.
class Way {
  constructor(port) {
    Object.assign(this, { port, log: [], used: new Set(), seen: new Map(), ids: new Map() })
    this.client = this.open()
    this.admin = this.noting('admin', new AdminClient({ host: '127.0.0.1', port, ssl: false }))
  }

  open(more) { return this.noting('client', new ChromaClient({ host: '127.0.0.1', port: this.port, ...more })) }

  noting(kind, object) {
    this.seen.set(kind, methodsOf(object))
    const wrap = result => Array.isArray(result) ? result.map(wrap) : typeof result?.count === 'function' ? this.noting('collection', result) : result
    return new Proxy(object, {
      get: (_, name) => {
        const value = object[name]
        if (typeof name === 'symbol' || name === 'then') return value
        this.used.add(`${kind}.${name}`)
        if (typeof value !== 'function') return value
        return async (...args) => {
          try {
            const result = await value.apply(object, args)
            this.note(kind, name, shape(result), args)
            return wrap(result)
          } catch (error) {
            this.note(kind, name, { error: error.name, message: error.message }, args)
            throw error
          }
        }
      },
      set: () => { throw new Error('nothing is set from outside') }
    })
  }

  note(...entry) { this.log.push(entry) } // kind, method, result, arguments

  // What must be alike: with UUIDs by the order in which they appeared, and without the server's address and clock. Lists of names have no
  // order of their own, since those of two shards do not.
  take() {
    const order = list => list.every(v => v?.name !== undefined) ? [...list].sort((x, y) => x.name < y.name ? -1 : 1) : list
    const told = this.log.splice(0).map(([kind, name, value, ...args]) => [kind, name, Array.isArray(value) ? order(value) : name === 'heartbeat' ? typeof value : value, ...args])
    const text = JSON.stringify(told, (_, v) => v === undefined ? 'undefined' : v).replaceAll(`127.0.0.1:${this.port}`, 'server')
    return JSON.parse(text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, id => {
      if (!this.ids.has(id)) this.ids.set(id, `uuid ${this.ids.size}`)
      return this.ids.get(id)
    }))
  }
}

async function fails(error, call) {
  await assert.rejects(call, e => e.name === error || assert.fail(`${e.name}: ${e.message}, not ${error}`))
}

// Whatever the server makes of it.
const either = call => call().catch(() => undefined)

// No two of them are as near to a third.
const vectors = n => Array.from({ length: n }, (_, i) => [Math.cos(i), Math.sin(i), 1 + i / 50])
const range = n => Array.from({ length: n }, (_, i) => i)
const WHERE = [
  { n: 3 }, { n: { $ne: 3 } }, { n: { $gt: 2 } }, { n: { $gte: 2 } }, { n: { $lt: 2 } }, { n: { $lte: 2 } }, { lang: { $in: ['en', 'fr'] } }, { lang: { $nin: ['en'] } }, { good: true },
  { $and: [{ n: { $gt: 1 } }, { $or: [{ lang: 'de' }, { n: { $lt: 4 } }] }] }, { nothing: 'x' }
]
const DOCUMENT = [{ $contains: 'odd' }, { $not_contains: 'odd' }, { $and: [{ $contains: 'page' }, { $not_contains: '3' }] }, { $or: [{ $contains: '1' }, { $contains: '2' }] }]
const INCLUDE = ['documents', 'embeddings', 'metadatas', 'uris']

// [what is done, (way, here)]. Where: `here.client(way)` makes a client for tenant and database, `here.name(text)` a name that lies on a certain shard, or wherever its hash says.
const COLLECTION = [
  ['a collection is made, once', async (way, here) => {
    const client = here.client(way)
    await client.createCollection({ name: here.name('docs'), metadata: { kind: 'test', n: 1, good: true }, configuration: { hnsw: { space: 'cosine', ef_search: 50 } }, ...MODEL })
    await fails('ChromaUniqueError', () => client.createCollection({ name: here.name('docs'), ...MODEL }))
    await client.createCollection({ name: here.name('bare'), embeddingFunction: null })
    await fails('ChromaClientError', () => client.createCollection({ name: 'a-?', ...MODEL }))
    await client.getOrCreateCollection({ name: here.name('once'), metadata: { first: true }, ...MODEL })
    await client.getOrCreateCollection({ name: here.name('once'), metadata: { first: false }, ...MODEL })
  }],
  ['it is got by name, with others, and is among those that are listed and counted', async (way, here) => {
    const client = here.client(way)
    const c = await client.getCollection({ name: here.name('docs'), ...MODEL })
    assert.ok(c.id && c.name && c.metadata && c.configuration && c.embeddingFunction)
    await client.getCollection({ name: here.name('bare') })
    await client.getCollections([here.name('docs'), here.name('once')])
    await client.getCollections([{ name: here.name('docs'), ...MODEL }])
    await client.getCollections([])
    await fails('ChromaNotFoundError', () => client.getCollection({ name: here.name('none') }))
    await fails('ChromaNotFoundError', () => client.getCollections([here.name('docs'), here.name('none')]))
    assert.ok((await client.listCollections()).length >= 3)
    await client.countCollections()
  }],
  ['records are added, as vectors, documents and URIs', async (way, here) => {
    const c = await here.docs(way)
    assert.equal(await c.count(), 0)
    await c.get()
    await c.add({
      ids: range(8).map(String), embeddings: vectors(8), documents: range(8).map(i => `page ${i} is ${i % 2 ? 'odd' : 'even'}`), uris: range(8).map(i => `file:///${i}`),
      metadatas: range(8).map(i => ({ n: i, lang: ['en', 'de', 'fr'][i % 3], good: i > 4, part: i / 8 }))
    })
    await c.add({ ids: ['t'], documents: ['a text that the client embeds'] })
    await c.add({ ids: ['v'], embeddings: [[1, 2, 5]] })
    await c.add({ ids: ['v', 'w'], embeddings: [[4, 5, 6], [-1, 2, 3]], documents: ['not taken', 'taken'] })
    await fails('ChromaClientError', () => c.add({ ids: ['x'], embeddings: [[1, 2]] }))
    await fails('ChromaValueError', () => c.add({ ids: [], embeddings: [] }))
    assert.equal(await c.count(), 11)
  }],
  ['they are got by id, filter, page, and with what was asked for', async (way, here) => {
    const c = await here.docs(way)
    assert.equal((await c.get()).ids.length, 11)
    for (const include of [[], ...INCLUDE.map(i => [i]), INCLUDE]) await c.get({ ids: ['1', '3', 'none'], include })
    for (const where of WHERE) await c.get({ where })
    for (const whereDocument of DOCUMENT) await c.get({ whereDocument })
    await c.get({ ids: ['1', '2', '3'], where: { n: { $gt: 1 } }, whereDocument: { $contains: 'odd' }, include: INCLUDE })
    for (const [limit, offset] of [[3, 0], [3, 3], [3, 9], [100, 0], [undefined, 10], [0, 0], [1, 100]]) await c.get({ limit, offset })
    await fails('ChromaValueError', () => c.get({ include: ['distances'] }))
    await c.peek({})
    await c.peek({ limit: 2 })
  }],
  ['they are found by vector and text', async (way, here) => {
    const c = await here.docs(way)
    const near = { queryEmbeddings: [vectors(4)[3], [1, 1.3, -0.7]] }
    assert.equal((await c.query({ ...near, nResults: 4 })).ids[0][0], '3')
    await c.query(near)
    await c.query({ queryTexts: ['a text that the client embeds', 'page'], nResults: 2 })
    await fails('ChromaValueError', () => c.query({ queryURIs: ['file:///1'], nResults: 2 }))
    for (const include of [[], ...[...INCLUDE, 'distances'].map(i => [i]), [...INCLUDE, 'distances']]) await c.query({ ...near, nResults: 3, include })
    for (const where of WHERE) await c.query({ ...near, nResults: 5, where })
    for (const whereDocument of DOCUMENT) await c.query({ ...near, nResults: 5, whereDocument })
    await c.query({ ...near, nResults: 100, ids: ['1', '2'], where: { n: { $gte: 0 } }, whereDocument: { $contains: 'page' } })
    await fails('ChromaClientError', () => c.query({ queryEmbeddings: [[1, 2]] }))
  }],
  ['they are updated, upserted and deleted', async (way, here) => {
    const c = await here.docs(way)
    await c.update({ ids: ['1', 'none'], embeddings: [[3, 1, 2], [1, 1, 1]], documents: ['changed', 'nobody'], metadatas: [{ n: 100, lang: null }, { n: 1 }], uris: ['file:///changed', 'file:///none'] })
    await c.update({ ids: ['2'], documents: ['embedded anew'] })
    await c.upsert({ ids: ['3', 'new'], embeddings: [[2, 2, 1], [5, 1, 1]], documents: ['three', 'new'], metadatas: [{ n: 3 }, { n: 9 }], uris: ['file:///3', 'file:///new'] })
    await c.upsert({ ids: ['newer'], documents: ['text only'] })
    await c.get({ include: INCLUDE })
    await c.delete({ ids: ['v', 'none'] })
    await c.delete({ where: { n: 100 } })
    await c.delete({ whereDocument: { $contains: 'text' } })
    await c.delete({ ids: ['4', '5', '6'], where: { n: { $lt: 6 } }, whereDocument: { $contains: 'even' } })
    await either(() => c.delete({}))
    await c.get({ include: INCLUDE })
  }],
  ['a collection is modified and renamed', async (way, here) => {
    const client = here.client(way)
    const c = await here.docs(way)
    await c.modify({ metadata: { kind: 'changed', more: 0.5 } })
    await c.modify({ configuration: { hnsw: { ef_search: 77 } } })
    await client.getCollection({ name: here.name('docs') })
    await c.modify({ name: here.name('renamed') })
    assert.equal(c.name, here.name('renamed'))
    await c.count()
    await client.getCollection({ name: here.name('renamed') })
    await fails('ChromaNotFoundError', () => client.getCollection({ name: here.name('docs') }))
    await either(() => c.modify({ name: here.name('once') }))
    await c.modify({ name: here.name('docs') })
  }],
  ['it is forked, or the server says that it does not', async (way, here) => {
    const c = await here.docs(way)
    await (await either(() => c.fork({ name: here.name('forked') })))?.get()
    await here.client(way).listCollections()
  }],
  ['it is deleted, and is gone for whoever holds it', async (way, here) => {
    const client = here.client(way)
    const c = await here.docs(way)
    await client.deleteCollection({ name: here.name('docs') })
    for (const call of [() => c.count(), () => c.get(), () => c.query({ queryEmbeddings: vectors(1) }), () => c.add({ ids: ['1'], embeddings: vectors(1) }), () => c.delete({ ids: ['1'] })])
      await fails('ChromaNotFoundError', call)
    await fails('ChromaNotFoundError', () => client.deleteCollection({ name: here.name('docs') }))
    await client.listCollections()
    await client.countCollections()
  }]
]

const BEFORE = [
  ['the server is there, has a version, limits, and knows who asks', async way => {
    await way.client.heartbeat()
    await way.client.version()
    assert.equal(way.client.preflightChecks, undefined)
    await way.client.getPreflightChecks()
    assert.ok(way.client.preflightChecks)
    assert.ok(await way.client.getMaxBatchSize() > 0)
    await way.client.supportsBase64Encoding()
    await way.client.getUserIdentity()
    assert.deepEqual([way.client.tenant, way.client.database], ['default_tenant', 'default_database'])
    const asking = way.open({ tenant: null, database: null })
    await asking.countCollections()
    assert.deepEqual([asking.tenant, asking.database], ['default_tenant', 'default_database'])
  }],
  ['tenants and databases are made, got and listed', async way => {
    await way.admin.createTenant({ name: 'acme' })
    await way.admin.getTenant({ name: 'acme' })
    await fails('ChromaUniqueError', () => way.admin.createTenant({ name: 'acme' }))
    await fails('ChromaNotFoundError', () => way.admin.getTenant({ name: 'nobody' }))
    for (const name of ['main', 'second', 'third']) await way.admin.createDatabase({ tenant: 'acme', name })
    await way.admin.getDatabase({ tenant: 'acme', name: 'main' })
    await fails('ChromaUniqueError', () => way.admin.createDatabase({ tenant: 'acme', name: 'main' }))
    await fails('ChromaNotFoundError', () => way.admin.getDatabase({ tenant: 'acme', name: 'none' }))
    await either(() => way.admin.createDatabase({ tenant: 'nobody', name: 'main' }))
    assert.equal((await way.admin.listDatabases({ tenant: 'acme' })).length, 3)
    await way.admin.listDatabases({ tenant: 'default_tenant' })
    await way.admin.listDatabases({ tenant: 'nobody' })
  }]
]

const AFTER = [
  ['a database is deleted with what is in it', async way => {
    await way.admin.deleteDatabase({ tenant: 'acme', name: 'main' })
    await way.admin.listDatabases({ tenant: 'acme' })
    await fails('ChromaNotFoundError', () => way.admin.getDatabase({ tenant: 'acme', name: 'main' }))
    await fails('ChromaNotFoundError', () => way.admin.deleteDatabase({ tenant: 'acme', name: 'main' }))
    await way.open({ tenant: 'acme', database: 'main' }).listCollections()
    await either(() => way.open({ tenant: 'acme', database: 'main' }).createCollection({ name: 'docs', ...MODEL }))
  }],
  ['everything is reset', async way => {
    await way.client.reset()
    await way.client.listCollections()
    await way.client.countCollections()
    await way.admin.listDatabases({ tenant: 'default_tenant' })
    await fails('ChromaNotFoundError', () => way.admin.getTenant({ name: 'acme' }))
    await way.client.createCollection({ name: 'a-afterwards', ...MODEL })
  }]
]

test('what the package has is known', () => {
  const known = ['AdminClient', 'ChromaClient', ...Object.values(NOT_CLIENTS).flat()]
  assert.deepEqual(Object.keys(chromadb).filter(name => !known.includes(name) && !(chromadb[name]?.prototype instanceof Error)), [])
  for (const result of [chromadb.GetResult, chromadb.QueryResult]) assert.deepEqual(Object.getOwnPropertyNames(result.prototype), ['constructor', 'rows'])
})

for (const [origin, server] of [['npm', ofNpm()], ['PyPI', ofPyPI()]]) {
  if (server.missing) {
    test(`the server of ${origin}`, t => t.skip(server.missing))
    continue
  }
  describe(`the server of ${origin}`, () => {
    let w, chromas, agents, direct, through

    before(async () => {
      w = await World.make('chroma-client', {
        shards: SHARDS.map(name => ({ name, api: 'chroma', endpoints: ['http://127.0.0.1:1'] })),
        routes: [...SHARDS.map(shard => ({ collection: `${shard}-*`, shard })), { hash: SHARDS }],
        policies: POLICY
      })
      chromas = await Promise.all([...SHARDS, 'third'].map(name => startChroma(name, w.folder, { server, reset: true })))
      SHARDS.forEach((_, i) => { w.config.shards[i].endpoints = [chromas[i].url] })
      w.config.issuers[0].scopes = { 'vectors.rw': [...SCOPES['vectors.rw'], 'ops'] }
      w.save()
      await w.start()
      agents = await Promise.all(['all', 'user'].map(async name => startAgent(await w.workload(name))))
      direct = new Way(chromas[2].port)
      through = new Way(agents[0].port)
    })

    after(async () => {
      dumpLogs(w?.process, ...chromas ?? [])
      await Promise.all((agents ?? []).map(a => a.stop()))
      await w?.stop()
      await Promise.all((chromas ?? []).map(c => c.stop()))
    })

    const holders = async (name, more) => (await Promise.all(SHARDS.map((_, i) => new ChromaClient({ host: '127.0.0.1', port: chromas[i].port, ...more }).listCollections()))).map(list => list.some(c => c.name === name))

    const same = (what, step, here) => test(what, async () => {
      for (const way of [direct, through]) {
        way.log.length = 0
        await step(way, here)
      }
      const [expected, got] = [direct.take(), through.take()]
      assert.ok(expected.length > 0)
      for (const i of expected.keys()) assert.deepEqual(got[i], expected[i])
      assert.equal(got.length, expected.length)
    })

    // A name that lies where its hash says is found by trying: all of them on the same shard, so that one can be renamed to the other.
    const hashed = new Map()
    const HERE = [
      { where: 'on the first shard', name: text => `a-${text}` },
      { where: 'on the second shard', name: text => `b-${text}` },
      { where: 'where the hash says, in another tenant', name: text => hashed.get(text), more: { tenant: 'acme', database: 'main' } }
    ].map(here => ({
      ...here,
      client: way => here.more ? way.open(here.more) : way.client,
      docs: way => (here.more ? way.open(here.more) : way.client).getCollection({ name: here.name('docs'), ...MODEL })
    }))

    for (const [what, step] of BEFORE) same(what, step)

    test('names that the hash places', async () => {
      const { more } = HERE[2]
      const quiet = new ChromaClient({ host: '127.0.0.1', port: agents[0].port, ...more })
      const on = [0, 0]
      for (const text of ['docs', 'bare', 'once', 'none', 'renamed', 'forked'])
        for (let i = 0; !hashed.has(text); i++) {
          const name = `${text}-${i}`
          await quiet.createCollection({ name, ...MODEL })
          const at = (await holders(name, more)).indexOf(true)
          on[at]++
          await quiet.deleteCollection({ name })
          if (at === 1) hashed.set(text, name)
        }
      assert.ok(on[0] > 0, `all of ${on} on one shard`)
    })

    for (const here of HERE) for (const [what, step] of COLLECTION) same(`${here.where}: ${what}`, step, here)

    same('what several shards have is one list, one count, and cut into pages', async way => {
      for (const i of range(7)) await way.client.createCollection({ name: `${'ab'[i % 2]}-many-${i}`, metadata: { i }, ...MODEL })
      for (const i of range(8)) await way.client.createCollection({ name: `many-${i}`, ...MODEL })
      const whole = (await way.client.listCollections()).map(c => c.name)
      way.note('', 'names', [...whole].sort())
      assert.equal(await way.client.countCollections(), whole.length)
      // Which of them are on a page is the server's affair; that each is on one is not.
      for (const limit of [1, 4, whole.length, whole.length + 1]) {
        const quiet = new ChromaClient({ host: '127.0.0.1', port: way.port })
        const pages = []
        for (let offset = 0; offset < whole.length; offset += limit) pages.push((await quiet.listCollections({ limit, offset })).map(c => c.name))
        assert.deepEqual(pages.flat().sort(), [...whole].sort())
        way.note('', 'pages', pages.map(p => p.length))
        assert.deepEqual(await quiet.listCollections({ limit, offset: whole.length }), [])
      }
    })

    test('both shards have some of it', async () => {
      assert.deepEqual(await Promise.all(['a-many-0', 'b-many-1'].map(name => holders(name))), [[true, false], [false, true]])
      const spread = await Promise.all(range(8).map(i => holders(`many-${i}`)))
      for (const i of [0, 1]) assert.ok(spread.some(on => on[i]))
      assert.ok(spread.every(on => on[0] !== on[1]))
    })

    // What is refused. The client is told the status, its operator the reason.
    async function refused(who, error, reason, call) {
      const before = w.records().length
      await fails(error, call)
      const record = await until('the record', () => w.records().slice(before).find(r => r.kind === 'request' && r.workload === `spiffe://example.org/${who}` && r.status >= 400))
      assert.equal(record.error, reason)
    }

    test('refused: a rename or fork to a name that lies on another shard', async () => {
      const c = await through.client.getCollection({ name: 'a-many-0', ...MODEL })
      await refused('all', 'ChromaClientError', 'ROUTE_SPLIT', () => c.modify({ name: 'b-moved' }))
      await refused('all', 'ChromaClientError', 'ROUTE_SPLIT', () => c.fork({ name: 'b-forked' }))
      for (const name of ['b-moved', 'b-forked']) assert.deepEqual(await holders(name), [false, false])
      assert.deepEqual(await holders('a-many-0'), [true, false])
    })

    test('refused: a reset by a workload whose policies do not name ops', async () => {
      const user = new ChromaClient({ host: '127.0.0.1', port: agents[1].port })
      const before = await user.countCollections()
      await refused('user', 'ChromaForbiddenError', 'POLICY_NO_PERMIT', () => user.reset())
      assert.equal(await user.countCollections(), before)
      assert.ok(before > 0)
    })

    for (const [what, step] of AFTER) same(what, step)

    test('a reset reached both shards', async () => {
      assert.deepEqual(await Promise.all(SHARDS.map((_, i) => new ChromaClient({ host: '127.0.0.1', port: chromas[i].port }).countCollections())), [1, 0])
    })

    test('no method of the client was left out', () => {
      for (const way of [direct, through]) {
        assert.deepEqual([...way.seen.keys()].sort(), ['admin', 'client', 'collection'])
        assert.deepEqual([...way.seen].flatMap(([kind, names]) => names.map(name => `${kind}.${name}`)).filter(name => !way.used.has(name)), [])
      }
    })
  })
}
