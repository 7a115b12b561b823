// SPDX-License-Identifier: GPL-3.0-or-later
// The unmodified `chromadb` client, through a local agent that adds certificate, token and proof, over two real Chroma servers behind one
// gateway. What it sees is one Chroma, cut down to what the policies show.
import assert from 'node:assert/strict'
import { ChromaClient } from 'chromadb'
import { after, before, test } from 'node:test'
import { startAgent } from './lib/agent.mjs'
import { startChroma } from './lib/chroma.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'

// `ingest` and `reader` work in the tenant default_tenant; `ingest` may everything but see hidden-*; `reader` reads public-*.
// `acme` works in the tenant acme only.
const POLICY = `
@id("ingest")
permit (principal == Workload::"spiffe://example.org/ingest", action, resource)
when { resource in Tenant::"default_tenant" || resource == Tenant::"default_tenant" || resource is Server }
unless { resource has name && resource.name like "hidden-*" };

@id("setup")
permit (principal == Workload::"spiffe://example.org/setup", action, resource);

@id("reader")
permit (principal == Workload::"spiffe://example.org/reader", action in Action::"readonly", resource is Collection)
when { resource.name like "public-*" };

@id("reader-surroundings")
permit (principal == Workload::"spiffe://example.org/reader", action in [Action::"meta", Action::"list"], resource)
unless { resource is Collection };

@id("acme")
permit (principal == Workload::"spiffe://example.org/acme", action, resource)
when { resource in Tenant::"acme" || resource == Tenant::"acme" || resource is Server };
`

// A model small enough for a test. The client warns about every collection in a list whose model it does not know.
const MODEL = { embeddingFunction: { generate: async texts => texts.map(t => [t.length, t.charCodeAt(0) / 100, 1]) } }
console.warn = () => {}
let w, chromas
const agents = {}
const clients = {}

async function as(name, options) {
  const workload = await w.workload(name)
  const agent = await startAgent(workload)
  agents[name] = agent
  clients[name] = new ChromaClient({ host: '127.0.0.1', port: agent.port, ...options })
  return clients[name]
}

before(async () => {
  w = await World.make('chroma', {
    shards: [
      { name: 'a', api: 'chroma', endpoints: ['http://127.0.0.1:1'] },
      { name: 'b', api: 'chroma', endpoints: ['http://127.0.0.1:1'] }
    ],
    routes: [{ collection: 'archive-*', shard: 'a' }, { hash: ['a', 'b'] }],
    policies: POLICY
  })
  chromas = await Promise.all(['a', 'b'].map(name => startChroma(name, w.folder)))
  chromas.forEach((chroma, i) => { w.config.shards[i].endpoints = [chroma.url] })
  w.save()
  await w.start()
  await as('ingest')
  await as('reader')
  await as('setup')
})

after(async () => {
  dumpLogs(w?.process, ...chromas ?? [])
  await Promise.all(Object.values(agents).map(a => a.stop()))
  await w?.stop()
  await Promise.all((chromas ?? []).map(c => c.stop()))
})

const vectors = n => Array.from({ length: n }, (_, i) => [Math.cos(i), Math.sin(i), 1])
const make = (client, name, more = {}) => client.createCollection({ name, ...MODEL, ...more })
// Which servers have a collection, asked behind the gateway's back.
const holders = async name => (await Promise.all(chromas.map(c => new ChromaClient({ host: '127.0.0.1', port: c.port }).listCollections()))).map(list => list.some(c => c.name === name))

test('heartbeat and version', async () => {
  assert.ok(await clients.ingest.heartbeat() > 0)
  assert.match(await clients.ingest.version(), /^\d+\.\d+/)
})

test('a collection is made, filled, searched, changed and emptied', async () => {
  const c = await make(clients.ingest, 'docs', { metadata: { kind: 'test' } })
  await c.add({ ids: ['1', '2', '3'], embeddings: vectors(3), documents: ['one', 'two', 'three'], metadatas: [{ n: 1 }, { n: 2 }, { n: 3 }] })
  assert.equal(await c.count(), 3)
  const got = await c.get({ ids: ['2'], include: ['documents', 'metadatas', 'embeddings'] })
  assert.deepEqual([got.documents, got.metadatas], [['two'], [{ n: 2 }]])
  assert.equal(got.embeddings[0].length, 3)
  const found = await c.query({ queryEmbeddings: [vectors(3)[2]], nResults: 2 })
  assert.equal(found.ids[0][0], '3')
  const filtered = await c.query({ queryEmbeddings: [vectors(1)[0]], nResults: 3, where: { n: { $gt: 1 } }, whereDocument: { $contains: 't' } })
  assert.deepEqual([...filtered.ids[0]].sort(), ['2', '3'])
  await c.update({ ids: ['2'], documents: ['deux'] })
  await c.upsert({ ids: ['2', '4'], embeddings: vectors(2), documents: ['zwei', 'vier'] })
  assert.deepEqual((await c.get({ ids: ['2'] })).documents, ['zwei'])
  assert.equal(await c.count(), 4)
  assert.equal((await c.peek({ limit: 2 })).ids.length, 2)
  await c.delete({ ids: ['1'] })
  await c.delete({ where: { n: 3 } })
  assert.deepEqual((await c.get()).ids.sort(), ['2', '4'])
})

test('get_or_create makes it once, and gets it afterwards', async () => {
  const first = await clients.ingest.getOrCreateCollection({ name: 'once', ...MODEL })
  const second = await clients.ingest.getOrCreateCollection({ name: 'once', ...MODEL })
  assert.equal(first.id, second.id)
})

test('get_or_create by somebody who may only look gets what is there and makes nothing', async () => {
  const made = await make(clients.ingest, 'public-seen')
  assert.equal((await clients.reader.getOrCreateCollection({ name: 'public-seen', ...MODEL })).id, made.id)
  await assert.rejects(clients.reader.getOrCreateCollection({ name: 'public-new', ...MODEL }))
  assert.deepEqual(await holders('public-new'), [false, false])
})

test('collections lie on the shards that the routes say: by name, else by hash', async () => {
  await make(clients.ingest, 'archive-2025')
  assert.deepEqual(await holders('archive-2025'), [true, false])
  let on = [0, 0]
  for (let i = 0; i < 12; i++) {
    await make(clients.ingest, `spread-${i}`)
    const [a, b] = await holders(`spread-${i}`)
    assert.equal(a + b, 1, 'on one shard')
    on = [on[0] + a, on[1] + b]
  }
  assert.ok(on[0] > 0 && on[1] > 0, `12 collections over two shards: ${on}`)
})

test('a list is merged over the shards and shows what the policy shows', async () => {
  await make(clients.setup, 'hidden-1')
  const all = (await clients.setup.listCollections({ limit: 100 })).map(c => c.name)
  const ingest = (await clients.ingest.listCollections({ limit: 100 })).map(c => c.name)
  const reader = (await clients.reader.listCollections({ limit: 100 })).map(c => c.name)
  assert.ok(all.includes('hidden-1') && all.includes('spread-0') && all.includes('spread-11'))
  assert.deepEqual(ingest.sort(), all.filter(n => !n.startsWith('hidden-')).sort())
  assert.deepEqual(reader, ['public-seen'])
  assert.equal(await clients.setup.countCollections(), all.length)
  assert.equal(await clients.ingest.countCollections(), all.length - 1)
  assert.equal(await clients.reader.countCollections(), 1)
})

test('pages of a list are cut after what is hidden was taken out', async () => {
  const all = (await clients.ingest.listCollections({ limit: 100 })).map(c => c.name)
  const pages = []
  for (let offset = 0; offset < all.length; offset += 4) pages.push(...(await clients.ingest.listCollections({ limit: 4, offset })).map(c => c.name))
  assert.deepEqual(pages.sort(), all.sort())
})

test('a collection that the policy hides cannot be got by name or UUID, read, searched, written or dropped', async () => {
  const hidden = await clients.setup.getCollection({ name: 'hidden-1', ...MODEL })
  await assert.rejects(clients.ingest.getCollection({ name: 'hidden-1', ...MODEL }))
  const api = '/api/v2/tenants/default_tenant/databases/default_database/collections'
  const caller = w.clients[0]
  for (const [method, path, body] of [['POST', 'get', {}], ['POST', 'query', { query_embeddings: [[1, 2, 3]] }], ['GET', 'count'], ['POST', 'upsert', { ids: ['x'], embeddings: [[1, 2, 3]] }],
    ['POST', 'delete', { ids: ['x'] }]]) {
    const answer = await caller.request(method, `${api}/${hidden.id}/${path}`, { body })
    assert.deepEqual([answer.status, answer.json.code], [403, 'denied'], path)
  }
  await assert.rejects(clients.ingest.deleteCollection({ name: 'hidden-1' }))
  assert.ok((await holders('hidden-1')).includes(true))
})

test('a rename is allowed only where both names are, and the old name is gone from then on', async () => {
  const c = await make(clients.ingest, 'before')
  await c.add({ ids: ['1'], embeddings: vectors(1) })
  assert.equal(await c.count(), 1)
  await assert.rejects(c.modify({ name: 'hidden-2' }))
  const where = await holders('before')
  await c.modify({ metadata: { changed: true } })
  assert.deepEqual((await clients.ingest.getCollection({ name: 'before', ...MODEL })).metadata?.changed, true)
  // A new name that is placed on the other shard cannot be: the data would stay behind.
  let name
  for (let i = 0; !name; i++) {
    const probe = `renamed-${i}`
    try {
      await c.modify({ name: probe })
      name = probe
    } catch (error) {
      assert.match(String(error), /400|differ|Bad|shards/i, String(error))
    }
  }
  assert.deepEqual(await holders(name), where)
  assert.equal(await c.count(), 1)
  await assert.rejects(clients.ingest.getCollection({ name: 'before', ...MODEL }))
})

test('the UUID of a collection in another tenant or database is denied under this one\'s path', async () => {
  const direct = chromas.map(c => `${c.url}/api/v2`)
  await clients.setup.heartbeat()
  const setup = w.clients[2]
  assert.equal((await setup.post('/api/v2/tenants', { name: 'acme' })).status, 200)
  assert.equal((await setup.post('/api/v2/tenants/acme/databases', { name: 'main' })).status, 200)
  for (const url of direct) assert.equal((await fetch(`${url}/tenants/acme/databases/main`)).status, 200, 'tenants and databases are made on every shard')
  const acme = await as('acme', { tenant: 'acme', database: 'main' })
  const own = await make(acme, 'docs')
  await own.add({ ids: ['1'], embeddings: vectors(1) })
  assert.equal(await own.count(), 1)
  const foreign = await clients.ingest.getCollection({ name: 'docs', ...MODEL })
  const caller = w.clients.at(-1)
  const path = id => `/api/v2/tenants/acme/databases/main/collections/${id}`
  assert.equal((await caller.get(`${path(own.id)}/count`)).status, 200)
  for (const [method, tail, body] of [['GET', 'count'], ['POST', 'get', {}], ['POST', 'query', { query_embeddings: [[1, 2, 3]] }], ['POST', 'add', { ids: ['x'], embeddings: [[1, 2, 3]] }]]) {
    const answer = await caller.request(method, `${path(foreign.id)}/${tail}`, { body })
    assert.deepEqual([answer.status, answer.json.code], [404, 'collection_unknown'], tail)
  }
  assert.equal((await caller.get(`/api/v2/tenants/default_tenant/databases/default_database/collections/${foreign.id}/count`)).json.code, 'denied')
  assert.deepEqual((await acme.listCollections()).map(c => c.name), ['docs'])
})

test('a UUID of nobody, and a name where a UUID belongs, are unknown', async () => {
  const caller = w.clients[0]
  for (const id of ['00000000-0000-4000-8000-000000000000', 'docs']) {
    const answer = await caller.get(`/api/v2/tenants/default_tenant/databases/default_database/collections/${id}/count`)
    assert.deepEqual([answer.status, answer.json.code], [404, 'collection_unknown'])
  }
})

test('what is made, renamed or dropped over one connection is so for all others at once', async () => {
  const caller = w.clients[0]
  const api = '/api/v2/tenants/default_tenant/databases/default_database/collections'
  // Fresh connections, so that every event loop is among them.
  const everywhere = path => Promise.all(Array.from({ length: 8 }, () => caller.get(path, { agent: false })))
  await everywhere(`${api}/00000000-0000-4000-8000-000000000001/count`) // all loops have just listed what there is
  const { id } = (await caller.post(api, { name: 'archive-new' })).json
  for (const answer of await everywhere(`${api}/${id}/count`)) assert.equal(answer.status, 200, answer.text)
  // archive-* is on shard a, and so may its new name be; hidden-* is nothing that this workload may read.
  const setup = w.clients[2]
  assert.equal((await setup.put(`${api}/${id}`, { new_name: 'archive-newer' })).status, 200)
  for (const answer of await everywhere(`${api}/${id}/count`)) {
    assert.equal(answer.status, 200, answer.text)
    assert.equal((await w.record(answer.headers['x-request-id'])).accesses[0].collection, 'archive-newer')
  }
  assert.equal((await caller.request('DELETE', `${api}/archive-newer`)).status, 200)
  for (const answer of await everywhere(`${api}/${id}/count`)) assert.equal(answer.status, 404, answer.text)
})

test('a collection is dropped, and its name and UUID end with it', async () => {
  const c = await make(clients.ingest, 'short-lived')
  assert.equal(await c.count(), 0)
  await clients.ingest.deleteCollection({ name: 'short-lived' })
  await assert.rejects(c.count())
  await assert.rejects(clients.ingest.getCollection({ name: 'short-lived', ...MODEL }))
  assert.deepEqual(await holders('short-lived'), [false, false])
})

test('a shard that is down makes a list unavailable, not shorter', async () => {
  await chromas[1].stop()
  const answer = await w.clients[0].get('/api/v2/tenants/default_tenant/databases/default_database/collections')
  assert.equal(answer.status, 502, answer.text)
  assert.equal((await w.clients[0].get('/api/v2/tenants/default_tenant/databases/default_database/collections/archive-2025')).status, 200, 'what is on the other shard works on')
})
