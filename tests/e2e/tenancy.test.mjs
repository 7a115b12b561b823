// SPDX-License-Identifier: GPL-3.0-or-later
// Two tenants in one collection of a real Chroma, kept apart by `@filter` alone. One of them is hostile: it nests filters, names the other's ids, forges the
// field, deletes what it can. What the server holds of the other is compared behind the gateway's back.
//
// SALLYPORT_TRIALS sets how many random requests there are; without it they go on for 30 seconds.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startChroma } from './lib/chroma.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { boundToCertificate } from './lib/token.mjs'

const POLICY = `
@id("tenants")
@filter("tenant", "context.token.tenant")
permit (principal, action in [Action::"readwrite", Action::"admin"], resource)
when { context.token has tenant };
`
const COLLECTIONS = '/api/v2/tenants/default_tenant/databases/default_database/collections'
const ROWS = 24
let w, chroma, docs
const clients = {}

before(async () => {
  w = await World.make('tenancy', {
    shards: [{ name: 'a', api: 'chroma', endpoints: ['http://127.0.0.1:1'] }],
    routes: [{ shard: 'a' }],
    policies: POLICY,
    change: { audit: { interval: '100ms' }, log: { level: 'info' } }
  })
  // A token bound to the certificate: no proof for each request, so that there is time for more of them.
  w.config.issuers[0].binding = 'certificate'
  w.config.issuers[0].asserts.tenants = ['a', 'b']
  chroma = await startChroma('a', w.folder)
  w.config.shards[0].endpoints = [chroma.url]
  w.save()
  await w.start()
  for (const team of ['a', 'b']) {
    const who = w.ca.issue(`team-${team}`)
    const token = await w.issuer.mint({ workload: who.id, cnf: boundToCertificate(who.certPem), claims: { tenant: team }, ttl: 3000 })
    clients[team] = await w.workload(`team-${team}`, { who, token, keys: {}, sockets: 8, scheme: 'Bearer' })
    clients[team].keys = undefined
  }
  const made = await direct('', { name: 'docs' })
  docs = `${COLLECTIONS}/${made.id}`
  await seed()
})

after(async () => {
  dumpLogs(w?.process, chroma)
  await chroma?.stop()
  await w?.stop()
})

async function direct(path, body) {
  const answer = await fetch(`${chroma.url}${COLLECTIONS}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const text = await answer.text()
  assert.ok(answer.ok, `${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}
const behind = (path, body) => direct(docs.slice(COLLECTIONS.length) + path, body)
const as = (team, path, body) => clients[team].post(docs + path, body)

const row = (team, i) => ({
  id: `${team}-${i}`,
  embedding: [Math.cos(i), Math.sin(i), team === 'a' ? 1 : -1],
  document: `${['red', 'green', 'blue'][i % 3]} ${team}`,
  metadata: { ...(team !== 'nobody' && { tenant: team }), n: i % 5, owner: team === 'a' ? 'b' : 'a', Tenant: team === 'a' ? 'b' : 'a' }
})
const columns = rows => ({ ids: rows.map(r => r.id), embeddings: rows.map(r => r.embedding), documents: rows.map(r => r.document), metadatas: rows.map(r => r.metadata) })
const own = Array.from({ length: ROWS }, (_, i) => row('a', i))
const others = [...Array.from({ length: ROWS }, (_, i) => row('b', i)), ...Array.from({ length: 4 }, (_, i) => row('nobody', i))]
const seed = () => behind('/add', columns([...own, ...others]))

// All that is there, but the hostile tenant's.
async function rest() {
  const all = await behind('/get', { include: ['documents', 'metadatas', 'embeddings'] })
  const rows = all.ids.map((id, i) => ({ id, document: all.documents[i], embedding: all.embeddings[i], metadata: Object.fromEntries(Object.entries(all.metadatas[i] ?? {}).sort()) }))
  return rows.filter(r => r.metadata.tenant !== 'a').sort((x, y) => x.id < y.id ? -1 : 1)
}

const mine = answer => {
  assert.equal(answer.status, 200, answer.text)
  return answer.json.ids.flat().sort()
}
const OWN = own.map(r => r.id).sort()

test('a tenant sees its own records and no other, whatever it asks for', async () => {
  assert.deepEqual(mine(await as('a', '/get', {})), OWN)
  assert.deepEqual(mine(await as('b', '/get', {})), others.filter(r => r.metadata.tenant === 'b').map(r => r.id).sort())
  assert.deepEqual(mine(await as('a', '/get', { ids: ['a-1', 'b-1', 'nobody-1'] })), ['a-1'])
  assert.deepEqual(mine(await as('a', '/get', { where: { $or: [{ tenant: 'b' }, { n: { $gte: 0 } }] } })), OWN)
  assert.deepEqual(mine(await as('a', '/get', { where: { tenant: { $ne: 'a' } } })), [])
  assert.deepEqual(mine(await as('a', '/get', { where: { tenant: 'b' } })), [])
  assert.deepEqual(mine(await as('a', '/query', { query_embeddings: [others[0].embedding], n_results: 100 })), OWN)
  assert.deepEqual(mine(await as('a', '/query', { query_embeddings: [[1, 1, -1]], n_results: 100, ids: ['b-1', 'a-2'] })), ['a-2'])
})

test('what would count or change other tenants\' records is refused', async () => {
  assert.equal((await clients.a.get(`${docs}/count`)).status, 403)
  for (const path of ['/update', '/upsert']) assert.equal((await as('a', path, columns([row('a', 1)]))).status, 403)
  assert.equal((await clients.a.request('DELETE', `${COLLECTIONS}/docs`)).status, 403)
  assert.equal((await as('a', '/fork', { new_name: 'stolen' })).status, 403)
  assert.equal((await as('a', '/add', { ids: ['x'], embeddings: [[1, 1, 1]], metadatas: [{ tenant: 'b' }] })).status, 400)
  assert.equal((await as('a', '/delete', {})).status, 400)
  assert.equal((await clients.a.get(`${COLLECTIONS}/docs`)).status, 200)
})

test('an id of another tenant\'s cannot be taken over or deleted, and what is added is the tenant\'s', async () => {
  const before = await rest()
  assert.equal((await as('a', '/add', { ids: ['b-1', 'new'], embeddings: [[9, 9, 9], [9, 9, 9]], documents: ['stolen', 'new'] })).status, 201)
  assert.deepEqual(mine(await as('a', '/get', { ids: ['b-1', 'new'] })), ['new'])
  assert.equal((await as('a', '/delete', { ids: ['b-1', 'nobody-1', 'new'] })).status, 200)
  assert.equal((await as('a', '/delete', { where: { tenant: 'b' } })).status, 200)
  assert.deepEqual(await rest(), before)
  assert.deepEqual(mine(await as('a', '/get', {})), OWN)
})

// -------------------------------------------------------------------------------------------------------------- at random

let seedOf = 0x5a11e904
const below = n => {
  seedOf ^= seedOf << 13; seedOf ^= seedOf >>> 17; seedOf ^= seedOf << 5
  return (seedOf >>> 0) % n
}
const pick = list => list[below(list.length)]
const many = (most, one) => Array.from({ length: below(most + 1) }, one)
const KEYS = ['tenant', 'n', 'owner', 'Tenant', 'nothing']
const value = () => pick(['a', 'b', 'x', 0, 1, 2, 3, true])

function where(depth) {
  switch (below(depth > 0 ? 8 : 4)) {
    case 0: return { [pick(KEYS)]: value() }
    case 1: return { [pick(KEYS)]: { [pick(['$eq', '$ne'])]: value() } }
    case 2: return { n: { [pick(['$gt', '$gte', '$lt', '$lte'])]: below(5) } }
    case 3: return { [pick(KEYS)]: { [pick(['$in', '$nin'])]: pick([['a', 'b'], ['b'], ['x'], [1, 2]]) } }
    default: return { [pick(['$and', '$or'])]: many(3, () => where(depth - 1)) }
  }
}
const document = depth => depth > 0 && below(2) ? { [pick(['$and', '$or'])]: many(2, () => document(depth - 1)) } : { [pick(['$contains', '$not_contains'])]: pick(['red', 'a', 'b', 'zzz']) }
const ids = () => many(6, () => `${pick(['a', 'b', 'b', 'nobody'])}-${below(ROWS)}`)
const unique = list => [...new Set(list)]

function query() {
  return { ...(below(3) && { where: where(4) }), ...(below(4) === 0 && { where_document: document(2) }), ...(below(4) === 0 && { ids: unique(ids()) }) }
}

// What a trial sends.
function trial() {
  switch (below(16)) {
    case 0: return ['/delete', { ...query(), ids: unique(ids()) }]
    case 1: return ['/delete', { where: where(4) }]
    case 2: {
      const rows = unique([...ids(), `a-${below(ROWS)}`]).map(id => ({ ...row('a', below(ROWS)), id }))
      const forged = columns(rows)
      if (below(2)) forged.metadatas = forged.metadatas.map(m => pick([m, null, { n: 1 }, { ...m, tenant: value() }]))
      return ['/add', forged]
    }
    case 3: return [pick(['/update', '/upsert']), columns([row('a', 1), { ...row('a', 2), id: `b-${below(ROWS)}` }])]
    case 4: case 5: case 6: case 7: return ['/query', { ...query(), query_embeddings: [[Math.random(), Math.random(), -1], others[below(ROWS)].embedding], n_results: 60 }]
    default: return ['/get', query()]
  }
}

test('random requests of a hostile tenant: no record of another is returned, changed or deleted', { timeout: 600000 }, async () => {
  const untouched = await rest()
  const wanted = Number(process.env.SALLYPORT_TRIALS ?? 0)
  const end = Date.now() + 30000
  let trials = 0
  const statuses = {}
  const returned = { rows: 0, compared: 0, gone: 0 }
  const one = async () => {
    const [path, body] = trial()
    const answer = await as('a', path, body)
    trials++
    const kind = `${path} ${answer.status}`
    statuses[kind] = (statuses[kind] ?? 0) + 1
    // Chroma's own answer when a record that it found goes before it has read it.
    if (answer.status === 500 && answer.text.includes('Error finding id')) return
    assert.ok([200, 201, 400, 403].includes(answer.status), `${kind} ${answer.text} of ${JSON.stringify(body)}`)
    if (answer.status !== 200 || path === '/delete') return
    const found = answer.json
    returned.rows += found.ids.flat().length
    for (const id of found.ids.flat()) assert.ok(id.startsWith('a-') || !untouched.some(r => r.id === id), `${id} for ${JSON.stringify(body)}`)
    const documents = found.documents.flat()
    found.metadatas.flat().forEach((m, i) => {
      // Chroma finds the ids first: a record that another request deletes meanwhile comes without anything.
      if (m === null && documents[i] === null) returned.gone++
      else assert.equal(m?.tenant, 'a', `${JSON.stringify(m)} for ${JSON.stringify(body)}`)
    })
  }
  // Nothing is lost either: what the server finds for the client's own filter, and is the tenant's.
  const compare = async () => {
    const body = query()
    const whole = await behind('/get', body)
    const expected = whole.ids.filter((id, i) => whole.metadatas[i]?.tenant === 'a').sort()
    assert.deepEqual(mine(await as('a', '/get', body)), expected, JSON.stringify(body))
    returned.compared++
  }
  while (wanted ? trials < wanted : Date.now() < end) {
    await Promise.all(Array.from({ length: 8 }, async () => { for (let i = 0; i < 50; i++) await one() }))
    assert.deepEqual(await rest(), untouched)
    for (let i = 0; i < 5; i++) await compare()
    // What it deleted of its own.
    await behind('/delete', { where: { tenant: 'a' } })
    await behind('/add', columns(own))
  }
  console.log(`# ${trials} random requests, ${returned.rows} records returned, ${returned.gone} of them gone by then, ${returned.compared} answers compared: ${JSON.stringify(statuses)}`)
  for (const kind of ['/get 200', '/query 200', '/delete 200', '/add 201', '/add 400', '/update 403', '/upsert 403']) assert.ok(statuses[kind] > 0, `no ${kind}`)
  assert.ok(returned.rows > trials, 'too little was found for this to say anything')
})
