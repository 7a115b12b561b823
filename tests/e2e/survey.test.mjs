// SPDX-License-Identifier: GPL-3.0-or-later
// Whether shards are made for the filters that hold there: the gateway asks them in the background, and warns; `check --live` asks for an
// operator. Chroma is real; the others are recorders that answer as the servers do.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { startChroma } from './lib/chroma.mjs'
import { port, sallyport, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, runBeside } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("own")
@filter("tenant", "context.token.tenant")
permit (principal, action in Action::"readwrite", resource)
when { context.token has tenant };
`
const SECRET = 'a-secret-of-the-shard'
const indexed = type => ({ tenant: { data_type: type, params: { type, is_tenant: true }, points: 3 } })

// What each collection of the played servers is.
const QDRANT = { plain: {}, good: indexed('keyword'), number: indexed('integer') }
const WEAVIATE = { Words: 'word', Fields: 'field' }
const MILVUS = { plain: { autoId: false, partitionKey: false }, good: { autoId: true, partitionKey: true } }

const qdrant = version => r => {
  const name = r.path.match(/^\/collections\/([^/]+)$/)?.[1]
  if (r.path === '/') return json({ title: 'qdrant - vector search engine', version })
  if (r.path === '/collections') return json({ result: { collections: Object.keys(QDRANT).map(name => ({ name })) }, status: 'ok' })
  if (r.path === '/readyz') return json('"ready"')
  if (r.method !== 'GET' || !name) return json({ result: [], status: 'ok', time: 0 })
  return QDRANT[name] ? json({ result: { status: 'green', points_count: 7, config: { params: {}, strict_mode_config: null }, payload_schema: QDRANT[name] }, status: 'ok', time: 0 })
    : json({ status: { error: `Not found: Collection \`${name}\` doesn't exist!` } }, { status: '404 Not Found' })
}
const weaviateClass = name => ({ class: name, properties: [{ name: 'tenant', dataType: ['text'], tokenization: WEAVIATE[name], indexFilterable: true }], vectorizer: 'none' })
const weaviate = r => {
  const name = r.path.match(/^\/v1\/schema\/([^/]+)$/)?.[1]
  if (r.path === '/v1/meta') return json({ hostname: 'http://[::]:8080', modules: {}, version: '1.33.1' })
  if (r.path === '/v1/.well-known/ready') return json('')
  if (r.path === '/v1/schema') return json({ classes: Object.keys(WEAVIATE).map(weaviateClass) })
  if (!name) return json({ data: { Get: {} } })
  return WEAVIATE[name] ? json(weaviateClass(name)) : json('', { status: '404 Not Found' })
}
const milvus = r => {
  const body = JSON.parse(r.body.length ? r.body : '{}')
  const made = MILVUS[body.collectionName]
  if (r.path.endsWith('/databases/list')) return json({ code: 0, data: ['default'] })
  if (r.path.endsWith('/collections/list')) return json({ code: 0, data: Object.keys(MILVUS) })
  if (r.path.endsWith('/collections/has')) return json({ code: 0, data: { has: false } })
  if (!r.path.endsWith('/describe')) return json({ code: 0, data: [] })
  if (!made) return json({ code: 100, message: `can't find collection[database=default][collection=${body.collectionName}]` })
  return json({ code: 0, data: { collectionName: body.collectionName, autoId: made.autoId, enableDynamicField: false, properties: [], indexes: [],
    fields: [{ name: 'id', type: 'Int64', primaryKey: true, autoId: made.autoId, partitionKey: false }, { name: 'tenant', type: 'VarChar', primaryKey: false, partitionKey: made.partitionKey }] } })
}

let w, acme, chroma
const shards = {}

before(async () => {
  for (const name of ['qdrant', 'weaviate', 'milvus']) shards[name] = await Upstream.start()
  shards.qdrant.answer = qdrant('1.15.1')
  shards.weaviate.answer = weaviate
  shards.milvus.answer = milvus
  w = await World.make('survey', {
    shards: [
      { name: 'q', api: 'qdrant', endpoints: [shards.qdrant.url] },
      { name: 'w', api: 'weaviate', endpoints: [shards.weaviate.url], assures: ['exact_text'] },
      { name: 'm', api: 'milvus', endpoints: [], assures: ['assigned_ids'] }
    ],
    routes: [{ shard: 'q' }, { shard: 'w' }, { shard: 'm' }],
    policies: POLICY
  })
  chroma = await startChroma('one', w.folder)
  // One whose place is found out.
  fs.writeFileSync(w.at('places'), `${shards.milvus.url.slice(7)}\n`)
  Object.assign(w.config.shards[2], { endpoints: undefined, discover: { file: w.at('places'), scheme: 'http' } })
  w.config.shards.push({ name: 'c', api: 'chroma', endpoints: [chroma.url] })
  w.config.routes.push({ shard: 'c' })
  fs.writeFileSync(w.at('key'), SECRET)
  for (const s of w.config.shards) {
    s.filter_checks = true
    if (s.name !== 'm') s.credential = { header: 'api-key', file: w.at('key') } // which goes unencrypted to nobody who was found out
  }
  w.config.issuers[0].asserts.tenants = ['*']
  w.save()
  await w.start()
  acme = await w.workload('acme', { mint: { claims: { tenant: 'acme' } } })
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await chroma?.stop()
  await Promise.all(Object.values(shards).map(s => s.stop()))
})

const post = (path, body, options) => acme.request('POST', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, ...options })
const search = c => post(`/collections/${c}/points/search`, { vector: [0.5], limit: 3 })
const questions = (shard, pattern) => shard.requests.filter(r => pattern.test(`${r.method} ${r.path} ${r.body}`)).length
const said = pattern => until(pattern.source, () => pattern.test(w.process.log))
const times = pattern => w.process.log.match(new RegExp(pattern, 'g'))?.length ?? 0
const found = (shard, finding) => w.metrics().then(m => m[`sallyport_filter_findings{shard="${shard}",finding="${finding}"}`])

test('Qdrant: a field without an index is warned of once, and counted', async () => {
  for (let i = 0; i < 20; i++) assert.equal((await search('plain')).status, 200)
  await said(/shard q: the field 'tenant' has no payload index.*PUT \/collections\/plain\/index/)
  assert.equal((await search('good')).status, 200)
  assert.equal((await search('number')).status, 200)
  await said(/shard q: the field 'tenant' has an index of type integer/)
  await until('the count', async () => await found('q', 'unindexed') === 2)
  assert.equal(await found('q', 'unfilterable'), 0)
  assert.equal(questions(shards.qdrant, /^GET \/collections\/plain /), 1)
  assert.equal(questions(shards.qdrant, /^GET \/collections\/good /), 1)
  assert.equal(times("no payload index"), 1)
  const question = shards.qdrant.requests.find(r => r.path === '/collections/plain')
  assert.equal(question.get('api-key'), SECRET)
  assert.equal(question.get('authorization'), undefined)
})

test('Qdrant: a write under a filter asks for the version that it needs', async () => {
  assert.equal(questions(shards.qdrant, /^GET \/ /), 0)
  const answer = await acme.request('PUT', '/collections/good/points', { body: JSON.stringify({ points: [{ id: 1, vector: [1], payload: {} }] }), headers: { 'content-type': 'application/json' } })
  assert.equal(answer.status, 200, answer.text)
  await said(/ error shard q: the server is Qdrant 1\.15\.1, which ignores `update_filter`/)
  await until('the count', async () => await found('q', 'old_server') === 1)
})

test('Weaviate: texts that are compared by their words are an error, whatever the operator assures', async () => {
  for (const name of Object.keys(WEAVIATE)) {
    const answer = await post('/v1/graphql', { query: `{ Get { ${name}(limit: 1) { title } } }` })
    assert.equal(answer.status, 200, answer.text)
  }
  await said(/shard w: the property 'tenant' of Words has the tokenization 'word'/)
  await until('both', () => questions(shards.weaviate, /^GET \/v1\/schema\/Fields /) === 1)
  await until('the count', async () => await found('w', 'by_words') === 1)
})

test('Milvus: how the field is made, and for deletions who makes the keys', async () => {
  for (const collectionName of Object.keys(MILVUS)) assert.equal((await post('/v2/vectordb/entities/query', { collectionName, filter: 'n > 1' })).status, 200)
  await said(/shard m: the field 'tenant' is neither the partition key of plain nor indexed/)
  assert.equal(await found('m', 'chosen_ids') ?? 0, 0)
  for (const collectionName of Object.keys(MILVUS)) assert.equal((await post('/v2/vectordb/entities/delete', { collectionName, filter: 'n > 1' })).status, 200)
  await said(/shard m: plain lets clients choose primary keys \(autoID is off\)/)
  await until('the counts', async () => await found('m', 'chosen_ids') === 1 && await found('m', 'unindexed') === 1)
})

test('Chroma: a real server is asked by the name of the collection, and has nothing to complain of', async () => {
  const base = `${chroma.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
  const { id } = await fetch(base, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"papers"}' }).then(r => r.json())
  const answer = await post(`/api/v2/tenants/default_tenant/databases/default_database/collections/${id}/get`, {})
  assert.equal(answer.status, 200, answer.text)
  await until('the answer', async () => await found('c', 'unseen') === 0)
  assert.equal(await found('c', 'unfilterable'), 0)
})

test('a collection that is not there, and a shard that does not answer, cost nothing but the question', async () => {
  const before = times(' (warn|error) ')
  assert.equal((await search('nowhere')).status, 200)
  await until('the question', () => questions(shards.qdrant, /^GET \/collections\/nowhere /) === 1)
  await until('the note', async () => await found('q', 'unseen') === 1)
  const normal = shards.qdrant.answer
  let asked = 0
  shards.qdrant.answer = r => r.method === 'GET' ? void asked++ : normal(r) // a question that is never answered
  assert.equal((await search('silent')).status, 200)
  await until('the question', () => asked === 1)
  for (let i = 0; i < 5; i++) assert.equal((await search('silent')).status, 200)
  shards.qdrant.cut()
  await until('the failure', async () => (await w.metrics())['sallyport_filter_questions_total{result="failed"}'] >= 1)
  shards.qdrant.answer = normal
  assert.equal(times(' (warn|error) '), before)
})

test('after a reload it is asked anew, and not where filter_checks is off', async () => {
  const before = questions(shards.qdrant, /^GET \/collections\/plain /)
  assert.ok(await w.reload())
  assert.equal((await search('plain')).status, 200)
  await until('the question', () => questions(shards.qdrant, /^GET \/collections\/plain /) === before + 1)
  w.config.shards.find(s => s.name === 'q').filter_checks = false
  w.save()
  assert.ok(await w.reload())
  const asked = questions(shards.milvus, /describe/)
  assert.equal((await search('plain')).status, 200)
  assert.equal((await post('/v2/vectordb/entities/query', { collectionName: 'good', filter: 'n > 1' })).status, 200)
  // The later one was asked about: so was the earlier one looked at.
  await until('the question to another shard', () => questions(shards.milvus, /describe/) > asked)
  assert.equal(questions(shards.qdrant, /^GET \/collections\/plain /), before + 1)
  assert.equal(await found('q', 'unindexed'), undefined)
})

test('the secret of a shard is in no log', () => assert.equal(w.process.log.includes(SECRET), false))

// ------------------------------------------------------------------------------------------------------ check --live

const live = (...args) => runBeside(sallyport, ['check', '--live', '--config', w.file, ...args])
const liveJson = async (...args) => {
  const told = await live('--json', ...args)
  return { ...told, ...JSON.parse(told.out) }
}
const texts = (answer, severity) => answer.diagnostics.filter(d => d.severity === severity).map(d => d.text)
const has = (list, pattern) => assert.ok(list.some(t => pattern.test(t)), `${pattern} in ${JSON.stringify(list, null, 1)}`)

test('check --live tells what is wrong with servers and collections, where, and what to do', async () => {
  const answer = await liveJson()
  const errors = texts(answer, 'error')
  const warnings = texts(answer, 'warning')
  assert.equal(answer.status, 1, answer.err)
  assert.equal(answer.ok, false)
  has(errors, /^shard w: the property 'tenant' of Words has the tokenization 'word'.*"tokenization": "field"/)
  has(errors, /^shard m: plain lets clients choose primary keys/)
  has(errors, /^shard q: the server is Qdrant 1\.15\.1, which ignores `update_filter`/)
  has(warnings, /^shard q: the field 'tenant' has no payload index.*PUT \/collections\/plain\/index/)
  has(warnings, /^shard m: the field 'tenant' is neither the partition key of plain nor indexed/)
  assert.deepEqual([errors.length, warnings.length], [3, 2], JSON.stringify(answer.diagnostics, null, 1))
  // The place is the filter's where a policy asks for the field, else the shard's.
  const field = answer.diagnostics.find(d => /tokenization/.test(d.text))
  assert.deepEqual([field.file, field.line], [w.at('policy.cedar'), POLICY.split('\n').findIndex(l => l.startsWith('@filter')) + 1])
  const keys = answer.diagnostics.find(d => /primary keys/.test(d.text))
  assert.equal(keys.file, w.file)
  assert.match(fs.readFileSync(w.file, 'utf8').split('\n').slice(keys.line - 1, keys.line + 4).join('\n'), /name: "m"/)
  const by = Object.fromEntries(answer.live.shards.map(s => [s.name, s]))
  assert.deepEqual(by.q.endpoints.map(e => [e.ready, e.version]), [[true, '1.15.1']])
  assert.deepEqual([by.q.collections, by.w.collections, by.m.collections, by.c.collections], [3, 2, 2, 1])
  assert.match(by.c.endpoints[0].version, /^\d+\.\d+/)
  assert.equal(by.m.endpoints[0].version, null)
  assert.equal((answer.out + answer.err).includes(SECRET), false)
})

test('check --live asks a collection of another tenant of Chroma when it is told of the tenant', async () => {
  const at = `${chroma.url}/api/v2/tenants`
  const make = (url, name) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
  await make(at, 'zen')
  await make(`${at}/zen/databases`, 'main')
  await make(`${at}/zen/databases/main/collections`, 'notes')
  const count = async (...args) => (await liveJson(...args)).live.shards.find(s => s.name === 'c').collections
  assert.equal(await count(), 1)
  assert.equal(await count('--tenant', 'zen'), 2)
})

test('check --live is content when all is repaired', async () => {
  const old = { plain: QDRANT.plain, number: QDRANT.number, Words: WEAVIATE.Words, milvus: MILVUS.plain }
  shards.qdrant.answer = qdrant('1.16.3')
  QDRANT.plain = QDRANT.number = indexed('keyword')
  WEAVIATE.Words = 'field'
  MILVUS.plain = MILVUS.good
  const told = await live()
  assert.equal(told.status, 0, told.out + told.err)
  assert.match(told.out, /^shard q: endpoint 127\.0\.0\.1:\d+: ready, qdrant 1\.16\.3$/m)
  assert.match(told.out, /^shard q: 3 collections of this configuration's$/m)
  assert.match(told.out, /: ok: .*0 warnings$/m)
  // Warnings alone are no failure.
  QDRANT.plain = {}
  const warned = await liveJson()
  assert.deepEqual([warned.status, warned.ok, warned.errors, warned.warnings], [0, true, 0, 1])
  Object.assign(QDRANT, { plain: old.plain, number: old.number })
  WEAVIATE.Words = old.Words
  MILVUS.plain = old.milvus
})

test('check --live asks every endpoint, and a dead or silent one is an error and no hang', async t => {
  const silent = await Upstream.start()
  t.after(() => silent.stop())
  silent.answer = () => undefined
  const dead = `http://127.0.0.1:${await port()}`
  const q = w.config.shards.find(s => s.name === 'q')
  const file = w.at('endpoints.yaml')
  w.save.call({ file }, { ...w.config, shards: [{ ...q, endpoints: [dead, silent.url, shards.qdrant.url] }], routes: [{ shard: 'q' }] })
  const began = Date.now()
  const told = await runBeside(sallyport, ['check', '--live', '--config', file, '--within', '500ms', '--json'])
  assert.ok(Date.now() - began < 15000)
  assert.equal(told.status, 1, told.err)
  const answer = JSON.parse(told.out)
  assert.deepEqual(answer.live.shards[0].endpoints.map(e => e.ready), [false, false, true])
  has(texts(answer, 'error'), new RegExp(`^shard q: the endpoint ${dead.slice(7)} \\(127\\.0\\.0\\.1\\) is not ready: .*connect`, 'i'))
  has(texts(answer, 'error'), new RegExp(`^shard q: the endpoint ${silent.url.slice(7)} .* is not ready: .*time`))
  // The third told all of it.
  assert.equal(answer.live.shards[0].collections, 3)
  w.save.call({ file }, { ...w.config, shards: [{ ...q, endpoints: [dead] }], routes: [{ shard: 'q' }] })
  const none = await runBeside(sallyport, ['check', '--live', '--config', file, '--json'])
  assert.equal(none.status, 1)
  assert.equal(JSON.parse(none.out).live.shards[0].collections, null)
})

test('check --live comes to an end with a shard whose lists do not, or are huge', async t => {
  const hostile = await Upstream.start()
  t.after(() => hostile.stop())
  const file = w.at('hostile.yaml')
  const ask = async (api, answer) => {
    hostile.answer = answer
    w.save.call({ file }, { ...w.config, shards: [{ name: 'h', api, endpoints: [hostile.url] }], routes: [{ shard: 'h' }] })
    const before = hostile.requests.length
    const told = await runBeside(sallyport, ['check', '--live', '--config', file, '--json'], { timeout: 30000 })
    assert.ok(told.status === 0 || told.status === 1, `it was ended: ${told.err}`)
    return { ...JSON.parse(told.out), asked: hostile.requests.length - before }
  }
  const page = Array.from({ length: 1000 }, (_, i) => ({ name: `c${i}` }))
  const endless = await ask('chroma', r => r.path.includes('/collections?') ? json(page) : r.path.endsWith('/databases') ? json([{ name: 'd' }]) : json({ name: 'c' }))
  has(texts(endless, 'error'), /^shard h: its collections cannot be listed: it gives the same page of them again and again/)
  assert.ok(endless.asked < 1100)
  const classes = Array.from({ length: 200000 }, (_, i) => ({ class: `C${i}` }))
  const huge = await ask('weaviate', r => r.path === '/v1/schema' ? json({ classes }) : json({ class: 'C', properties: [{ name: 'tenant', dataType: ['text'], tokenization: 'field', indexFilterable: true }] }))
  has(texts(huge, 'warning'), /^shard h: it has 200000 collections, of which the first 1000 were looked at/)
})

test('check --live with a credential that is not accepted says so, and 2 is for what cannot be served', async () => {
  const normal = shards.qdrant.answer
  shards.qdrant.answer = r => r.path === '/readyz' ? normal(r) : json({ status: { error: 'Must provide an API key' } }, { status: '401 Unauthorized' })
  const told = await liveJson()
  assert.equal(told.status, 1)
  has(texts(told, 'error'), /^shard q: its collections cannot be listed: GET \/collections: answered 401.*look at `credential`/)
  shards.qdrant.answer = normal
  const file = w.at('broken.yaml')
  w.save.call({ file }, { ...w.config, policy: { files: [w.at('nowhere.cedar')] } })
  const asked = shards.qdrant.requests.length
  assert.equal((await runBeside(sallyport, ['check', '--live', '--config', file])).status, 2)
  assert.equal((await runBeside(sallyport, ['check', '--live', '--config', w.at('nowhere.yaml')])).status, 2)
  assert.equal((await runBeside(sallyport, ['check', '--config', w.file, '--within', '1s'])).status, 2)
  assert.equal((await runBeside(sallyport, ['check', '--config', w.file])).status, 0)
  assert.equal(shards.qdrant.requests.length, asked)
})
