// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's REST API v2, before a shard that answers as Milvus does: with 200, and a code in the body.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("rag")
permit (principal == Workload::"spiffe://example.org/rag", action in [Action::"readonly", Action::"write"], resource)
unless { resource has name && resource.name like "secret*" };
`
let w, shard, caller

before(async () => {
  shard = await Upstream.start()
  w = await World.make('milvus', { shards: [{ name: 'one', api: 'milvus', endpoints: [shard.url] }], routes: [{ shard: 'one' }], policies: POLICY })
  await w.start()
  caller = await w.workload('rag')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const post = (path, body, headers = {}) =>
  caller.request('POST', `/v2/vectordb${path}`, { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
const SEARCH = { collectionName: 'docs', data: [[0.5, 1]], limit: 3 }

test('the database goes with the body, and no header of the client names another', async () => {
  shard.answer = () => json('{"code":0,"cost":1,"data":[]}')
  assert.equal((await post('/entities/search', SEARCH, { 'db-name': 'theirs' })).status, 200)
  assert.deepEqual(JSON.parse(shard.last.body), { dbName: 'default', ...SEARCH })
  assert.equal(shard.last.get('db-name'), undefined)
})

test('the record has the code of the answer, however it arrives', async () => {
  const codes = ['{"code":0,"data":[]}', '{"code":100,"message":"can\'t find collection"}', ' { "code" : 1801 }', '{"data":[],"code":7}', 'no JSON']
  for (const text of codes) {
    shard.answer = () => json(text)
    assert.equal((await post('/entities/search', SEARCH)).text, text)
  }
  // Byte by byte: what is passed on is what came, at once.
  shard.answer = (_, socket) => {
    const text = '{"code":65535,"message":"later"}'
    const whole = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
    let i = 0
    const timer = setInterval(() => (i < whole.length ? socket.write(whole[i++]) : clearInterval(timer)), 1)
  }
  assert.equal(JSON.parse((await post('/entities/search', SEARCH)).text).code, 65535)
  await new Promise(resolve => setTimeout(resolve, 300))
  const records = w.records().filter(r => r.kind === 'request').slice(-6)
  assert.deepEqual(records.map(r => r.shard_code), [0, 100, 1801, undefined, undefined, 65535])
})

test('what a search parameter or a second name says otherwise is refused', async () => {
  const before = shard.requests.length
  for (const change of [{ searchParams: { topk: 16384 } }, { CollectionName: 'secret' }, { skipRls: true }])
    assert.equal((await post('/entities/search', { ...SEARCH, ...change })).status, 400, JSON.stringify(change))
  assert.equal((await post('/entities/search', { ...SEARCH, collectionName: 'secret' })).status, 403)
  assert.equal((await post('/collections/truncate', { collectionName: 'docs' })).status, 403)
  assert.equal(shard.requests.length, before)
})
